//! Entries stored and deleted, whatever stands there.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::RedisBackend;
use super::reply::unexpected;
use crate::cache::record::millis;
use crate::client::{Backend, Walk};
use crate::error::NodeError;

/// How many keys one command of `clear` looks at, so that others get their turn.
const SCAN: u32 = 512;

impl RedisBackend {
    pub(crate) async fn put(
        &self,
        entries: &[(Box<str>, Bytes, Duration)],
    ) -> Result<(), NodeError> {
        let sets = entries.iter().map(|(key, entry, ttl)| {
            let mut set = redis::cmd("SET");
            set.arg(&**key).arg(&entry[..]);
            set.arg("PX").arg(millis(*ttl).max(1));
            set
        });
        self.all(sets.collect()).await.map(drop)
    }

    pub(crate) async fn delete(&self, keys: &[Box<str>]) -> Result<(), NodeError> {
        // Each for itself: on a cluster they are in different places.
        let deletes = keys.iter().map(|key| {
            let mut delete = redis::cmd("DEL");
            delete.arg(&**key);
            delete
        });
        self.all(deletes.collect()).await.map(drop)
    }

    pub(crate) async fn clear(&self, prefix: &str) -> Result<u64, NodeError> {
        let pattern = format!("{}*", escape(prefix));
        let mut walk = Walk::new(Backend::Link(self.link.clone()), &pattern, SCAN);
        let mut removed = 0;
        while let Some(keys) = walk.page().await? {
            // On a cluster the keys of one page have slots of their own.
            let at_once = if self.cluster { 1 } else { keys.len().max(1) };
            let unlinks = keys.chunks(at_once).map(|keys| async move {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(keys);
                match self.link.query_within(&unlink, self.timeout).await? {
                    Value::Int(count) => Ok(u64::try_from(count).unwrap_or(0)),
                    other => Err(unexpected(&other)),
                }
            });
            let counts = futures_util::future::try_join_all(unlinks).await?;
            removed += counts.into_iter().sum::<u64>();
        }
        Ok(removed)
    }
}

/// A text that stands for itself in a pattern.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
