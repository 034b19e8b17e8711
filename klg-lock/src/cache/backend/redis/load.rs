//! A load under a token: begun, renewed, and filled or abandoned.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::RedisBackend;
use super::reply::{entered, sighting, unexpected};
use super::script::{ABANDON, BEGIN, Call, EPOCH, FILL, RENEW};
use crate::cache::backend::{Begin, Begun, epoch_ttl};
use crate::cache::record::{Nonce, millis, placeholder};
use crate::error::NodeError;

impl RedisBackend {
    pub(crate) async fn enter(
        &self,
        tags: &Arc<[Box<str>]>,
        lifetime: Duration,
    ) -> Result<Vec<Nonce>, NodeError> {
        let calls: Vec<_> = tags.iter().map(|tag| enter(tag, lifetime)).collect();
        let values = self.scripts(&calls).await?;
        values.into_iter().map(entered).collect()
    }

    pub(crate) async fn begin(&self, begin: Begin) -> Result<Begun, NodeError> {
        let mut calls: Vec<_> = begin
            .tags
            .iter()
            .map(|tag| enter(tag, begin.lifetime))
            .collect();
        let mut call = Call::new(&BEGIN, &begin.key);
        call.arg(begin.token.0)
            .number(millis(begin.lease))
            .arg(begin.seen.map_or(Vec::new(), |seen| seen.0.to_vec()))
            .arg(if begin.beside { "beside" } else { "cold" })
            .arg(placeholder(begin.token));
        calls.push(call);
        let mut values = self.scripts(&calls).await?;
        match values.pop() {
            Some(Value::Int(granted @ (1 | 2))) => Ok(Begun::Granted {
                beside: granted == 1,
                epochs: values.into_iter().map(entered).collect::<Result<_, _>>()?,
            }),
            Some(Value::Array(seen)) => {
                let mut sighting = sighting(&mut seen.into_iter())?;
                let epochs = values.into_iter().map(entered);
                sighting.epochs = epochs.map(Result::ok).collect();
                Ok(Begun::Other(sighting))
            }
            other => Err(unexpected(&other.unwrap_or(Value::Nil))),
        }
    }

    pub(crate) async fn renew(
        &self,
        key: &str,
        token: Nonce,
        lease: Duration,
    ) -> Result<bool, NodeError> {
        let mut call = Call::new(&RENEW, key);
        call.arg(token.0).number(millis(lease));
        self.one(call).await
    }

    pub(crate) async fn fill(
        &self,
        key: &str,
        token: Nonce,
        entry: Bytes,
        ttl: Duration,
    ) -> Result<bool, NodeError> {
        let mut call = Call::new(&FILL, key);
        call.arg(token.0).arg(entry).number(millis(ttl).max(1));
        self.one(call).await
    }

    pub(crate) async fn abandon(&self, key: &str, token: Nonce) -> Result<bool, NodeError> {
        let mut call = Call::new(&ABANDON, key);
        call.arg(token.0);
        self.one(call).await
    }
}

fn enter(tag: &str, lifetime: Duration) -> Call {
    let mut call = Call::new(&EPOCH, tag);
    call.arg(Nonce::fresh().0)
        .number(millis(lifetime))
        .number(millis(epoch_ttl(lifetime)));
    call
}
