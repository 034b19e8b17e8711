//! What a command answers, read as the type its method promises.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use redis::Value;

use super::value::{CodecError, Decode};

/// A type that the answer to one command can be read as: `()`, numbers, `bool`, [`Expiry`],
/// and `Option`, `Vec` and `HashMap` of what [`Decode`]s.
///
/// It is implemented here and nowhere else.
pub trait FromReply: sealed::FromReply {}

impl<T: sealed::FromReply> FromReply for T {}

pub(super) mod sealed {
    use super::{CodecError, Value};

    pub trait FromReply: Sized {
        fn from_reply(reply: Value) -> Result<Self, CodecError>;
    }
}

use sealed::FromReply as Read;

/// How much longer a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// There is no such key.
    Missing,
    /// For ever.
    Never,
    /// For so long, to the millisecond.
    In(Duration),
}

/// The bytes of one item; `None`: there is none.
fn bytes(reply: Value) -> Result<Option<Vec<u8>>, CodecError> {
    Ok(Some(match reply {
        Value::Nil => return Ok(None),
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.into_bytes(),
        Value::Okay => b"OK".to_vec(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Double(number) => number.to_string().into_bytes(),
        Value::Boolean(flag) => i64::from(flag).to_string().into_bytes(),
        other => return Err(format!("one value was expected, not {other:?}").into()),
    }))
}

/// The items of a list; of a map, its keys and values in turn.
fn items(reply: Value) -> Result<Vec<Value>, CodecError> {
    match reply {
        Value::Nil => Ok(Vec::new()),
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(a, b)| [a, b]).collect()),
        other => Err(format!("a list was expected, not {other:?}").into()),
    }
}

fn item<T: Decode>(reply: Value) -> Result<T, CodecError> {
    match bytes(reply)? {
        Some(bytes) => T::decode(bytes),
        None => Err("a value was expected, and there is none".into()),
    }
}

/// Two items at a time, whether they come in turn or as lists of two.
fn pairs(reply: Value) -> Result<Vec<(Value, Value)>, CodecError> {
    let mut flat = Vec::new();
    for item in items(reply)? {
        match item {
            Value::Array(nested) => flat.extend(nested),
            other => flat.push(other),
        }
    }
    let mut pairs = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let (Some(first), Some(second)) = (flat.next(), flat.next()) {
        pairs.push((first, second));
    }
    Ok(pairs)
}

impl Read for () {
    fn from_reply(_: Value) -> Result<Self, CodecError> {
        Ok(())
    }
}

impl Read for bool {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        match reply {
            // Of a `SET` that is subject to a condition.
            Value::Nil => Ok(false),
            Value::Okay => Ok(true),
            other => item::<i64>(other).map(|number| number != 0),
        }
    }
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Read for $type {
            fn from_reply(reply: Value) -> Result<Self, CodecError> {
                item(reply)
            }
        })*
    };
}
number!(i64, u64, f64);

impl Read for Expiry {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        Ok(match item::<i64>(reply)? {
            -2 => Self::Missing,
            -1 => Self::Never,
            millis => Self::In(Duration::from_millis(millis.unsigned_abs())),
        })
    }
}

impl<T: Decode> Read for Option<T> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        bytes(reply)?.map(T::decode).transpose()
    }
}

impl<T: Decode> Read for Vec<T> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        items(reply)?.into_iter().map(item).collect()
    }
}

impl<T: Decode> Read for Vec<Option<T>> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        items(reply)?.into_iter().map(Option::from_reply).collect()
    }
}

impl<T: Decode> Read for Vec<(T, f64)> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        let pairs = pairs(reply)?.into_iter();
        pairs
            .map(|(member, score)| Ok((item(member)?, item(score)?)))
            .collect()
    }
}

impl<T: Decode> Read for Option<(T, f64)> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        Ok(Vec::from_reply(reply)?.pop())
    }
}

impl<K: Decode + Eq + Hash, V: Decode, S: BuildHasher + Default> Read for HashMap<K, V, S> {
    fn from_reply(reply: Value) -> Result<Self, CodecError> {
        let pairs = pairs(reply)?.into_iter();
        pairs
            .map(|(field, value)| Ok((item(field)?, item(value)?)))
            .collect()
    }
}
