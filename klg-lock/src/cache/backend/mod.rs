//! The server behind a cache: Redis, or one in memory, with the same few operations.

mod memory;
mod redis;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub(crate) use self::memory::MemoryBackend;
pub(crate) use self::redis::{RedisBackend, for_each_invalidated};
use super::record::Nonce;
use super::wake::Wakes;
use crate::error::NodeError;

/// What was seen under a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sighting {
    /// How much longer the key lives; zero where it is absent, or would live for ever, which no
    /// entry does. Read before the bytes, so that it is at worst too short.
    pub(crate) pttl: Duration,
    pub(crate) bytes: Option<Bytes>,
    /// The epochs of the tags that were asked for; `None`: the tag was evicted.
    pub(crate) epochs: Vec<Option<Nonce>>,
}

/// A request to load a value.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) key: Box<str>,
    pub(crate) token: Nonce,
    pub(crate) lease: Duration,
    /// The value that was read, and is to be replaced.
    pub(crate) seen: Option<Nonce>,
    /// Whether that value is served meanwhile.
    pub(crate) beside: bool,
    /// Full keys of the tags whose epochs are needed.
    pub(crate) tags: Arc<[Box<str>]>,
    /// For how long an entry loaded now may live.
    pub(crate) lifetime: Duration,
}

/// Where a request to load a value led.
#[derive(Clone, Debug)]
pub(crate) enum Begun {
    /// The caller is to load it; `beside`: the value that was read is still there.
    Granted { beside: bool, epochs: Vec<Nonce> },
    /// Something else stands there.
    Other(Sighting),
}

/// The operations of a cache.
#[derive(Debug)]
pub(crate) enum Backend {
    Redis(RedisBackend),
    Memory(MemoryBackend),
}

macro_rules! forward {
    ($self:ident.$method:ident($($arg:expr),*)) => {
        match $self {
            Backend::Redis(backend) => backend.$method($($arg),*).await,
            Backend::Memory(backend) => backend.$method($($arg),*).await,
        }
    };
}

impl Backend {
    /// Reads a key, and the epochs of tags. Keys are full keys, here and below.
    pub(crate) async fn read(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        forward!(self.read(key, tags))
    }

    /// Reads a key; the next change to it by somebody else is pushed, where the server can.
    pub(crate) async fn watch(&self, key: &str) -> Result<Sighting, NodeError> {
        forward!(self.watch(key))
    }

    /// The epochs of tags as they are.
    pub(crate) async fn epochs(&self, tags: &[Box<str>]) -> Result<Vec<Option<Nonce>>, NodeError> {
        forward!(self.epochs(tags))
    }

    /// The epochs of tags; new ones where there are none, to last for a value's lifetime.
    pub(crate) async fn enter(
        &self,
        tags: &Arc<[Box<str>]>,
        lifetime: Duration,
    ) -> Result<Vec<Nonce>, NodeError> {
        forward!(self.enter(tags, lifetime))
    }

    pub(crate) async fn begin(&self, begin: Begin) -> Result<Begun, NodeError> {
        forward!(self.begin(begin))
    }

    /// `false`: the token is gone.
    pub(crate) async fn renew(
        &self,
        key: &str,
        token: Nonce,
        lease: Duration,
    ) -> Result<bool, NodeError> {
        forward!(self.renew(key, token, lease))
    }

    /// `false`: the token is gone, and nothing was stored.
    pub(crate) async fn fill(
        &self,
        key: &str,
        token: Nonce,
        entry: Bytes,
        ttl: Duration,
    ) -> Result<bool, NodeError> {
        forward!(self.fill(key, token, entry, ttl))
    }

    /// `false`: the token was gone.
    pub(crate) async fn abandon(&self, key: &str, token: Nonce) -> Result<bool, NodeError> {
        forward!(self.abandon(key, token))
    }

    /// Stores entries whatever stands there.
    pub(crate) async fn put(
        &self,
        entries: &[(Box<str>, Bytes, Duration)],
    ) -> Result<(), NodeError> {
        forward!(self.put(entries))
    }

    /// Deletes keys, of entries or of tags.
    pub(crate) async fn delete(&self, keys: &[Box<str>]) -> Result<(), NodeError> {
        forward!(self.delete(keys))
    }

    /// Reads several keys at once.
    pub(crate) async fn read_many(&self, keys: &[Box<str>]) -> Result<Vec<Sighting>, NodeError> {
        forward!(self.read_many(keys))
    }

    /// Deletes every key that begins with `prefix`; returns how many there were.
    pub(crate) async fn clear(&self, prefix: &str) -> Result<u64, NodeError> {
        forward!(self.clear(prefix))
    }

    /// Whether changes to watched keys are pushed.
    pub(crate) fn pushes(&self) -> bool {
        match self {
            Self::Redis(backend) => backend.pushes(),
            Self::Memory(backend) => backend.pushes(),
        }
    }

    pub(crate) fn wakes(&self) -> &Wakes {
        match self {
            Self::Redis(backend) => backend.wakes(),
            Self::Memory(backend) => backend.wakes(),
        }
    }

    /// The server, without credentials.
    pub(crate) fn server(&self) -> &str {
        match self {
            Self::Redis(backend) => backend.server(),
            Self::Memory(backend) => backend.server(),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Redis(backend) => backend.close().await,
            Self::Memory(_) => {}
        }
    }
}

/// How long a tag's epoch is made to last where it has to be set: much longer than it must, so that
/// it is seldom set.
pub(crate) fn epoch_ttl(lifetime: Duration) -> Duration {
    lifetime
        .saturating_mul(2)
        .saturating_add(Duration::from_secs(3600))
}
