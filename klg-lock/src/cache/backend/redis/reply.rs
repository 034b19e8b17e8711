//! What a server answers, read as what a cache knows.

use std::time::Duration;

use redis::Value;

use crate::cache::backend::Sighting;
use crate::cache::record::Nonce;
use crate::error::{NodeError, NodeErrorKind};

/// A key of another type holds something that is no entry, which is no failure of the server.
pub(super) fn foreign(value: Value) -> Value {
    match value {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Value::BulkString(Vec::new()),
        value => value,
    }
}

pub(super) fn sighting(values: &mut impl Iterator<Item = Value>) -> Result<Sighting, NodeError> {
    let pttl = match values.next() {
        Some(Value::Int(pttl)) => Duration::from_millis(u64::try_from(pttl).unwrap_or(0)),
        other => return Err(unexpected(&other.unwrap_or(Value::Nil))),
    };
    let bytes = match values.next() {
        Some(Value::BulkString(bytes)) => Some(bytes.into()),
        Some(Value::Nil) => None,
        other => return Err(unexpected(&other.unwrap_or(Value::Nil))),
    };
    Ok(Sighting {
        pttl,
        bytes,
        epochs: Vec::new(),
    })
}

pub(super) fn epoch(value: Value) -> Option<Nonce> {
    match value {
        Value::BulkString(bytes) => Nonce::parse(&bytes),
        _ => None,
    }
}

pub(super) fn entered(value: Value) -> Result<Nonce, NodeError> {
    epoch(value).ok_or_else(|| unexpected(&Value::Nil))
}

pub(super) fn unexpected(value: &Value) -> NodeError {
    let kind = match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) => "text",
        Value::Array(_) => "a list",
        _ => "something",
    };
    NodeError::new(
        NodeErrorKind::Protocol,
        format!("the server answered {kind} where the cache expects something else"),
    )
}
