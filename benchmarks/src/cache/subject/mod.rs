//! The caches that are measured: this library's, what a user writes by hand, the peers, the limits.

mod ours;
mod peers;
mod raw;

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use self::ours::Ours;
use self::peers::{InMemory, InRedis, Moka};
use self::raw::Raw;

/// What is cached: a row of a table, a hundred bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Counts the row's changes.
    pub version: u64,
    /// Some text.
    pub name: String,
    /// Some text.
    pub email: String,
}

impl User {
    /// The row in this version.
    #[must_use]
    pub fn new(version: u64) -> Self {
        Self {
            version,
            name: "Augusta Ada King, Countess of Lovelace".to_owned(),
            email: "ada.lovelace@analytical-engine.example".to_owned(),
        }
    }
}

/// One cache.
#[derive(Debug)]
pub enum CacheSubject {
    /// `GET`, and `SET` with a TTL after a load, by hand.
    Raw(Raw),
    /// This library.
    Ours(Ours),
    /// The crate `moka` alone: the limit of a hit in the process. It tells nobody of changes.
    Moka(Moka),
    /// The crate `cached` in memory. It tells nobody of changes.
    InMemory(InMemory),
    /// The crate `cached` with its store on Redis.
    InRedis(InRedis),
}

/// The caches that this program can be itself, by name; those in other languages have drivers of
/// their own.
pub const NAMES: &[&str] = &[
    "raw GET",
    "klg-lock L1",
    "klg-lock L2",
    "klg-lock L2 background",
    "moka",
    "cached in memory",
    "cached on Redis",
];

impl CacheSubject {
    /// Connects, as the subject's documentation shows. Values are good for this long.
    pub async fn connect(name: &str, uris: &[String]) -> Result<Self> {
        let [uri] = uris else {
            bail!("a cache is on one server")
        };
        Ok(match name {
            "raw GET" => Self::Raw(Raw::connect(uri).await?),
            "moka" => Self::Moka(Moka::new()),
            "cached in memory" => Self::InMemory(InMemory::new()),
            "cached on Redis" => Self::InRedis(InRedis::connect(uri).await?),
            _ => match name.strip_prefix("klg-lock ") {
                Some(variant) => Self::Ours(Ours::connect(variant, uri).await?),
                None => bail!("there is no cache {name:?}"),
            },
        })
    }

    /// From now on values are good for this long.
    pub fn set_ttl(&mut self, ttl: Duration) {
        match self {
            Self::Raw(raw) => raw.ttl = ttl,
            Self::Ours(ours) => ours.ttl = ttl,
            Self::InRedis(redis) => redis.set_ttl(ttl),
            Self::Moka(_) | Self::InMemory(_) => {}
        }
    }

    /// The cached value, or what `load` returns, which is then cached.
    pub async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<User>> + Send + 'static,
    {
        match self {
            Self::Raw(raw) => raw.get(key, load).await,
            Self::Ours(ours) => ours.get(key, load).await,
            Self::Moka(moka) => moka.get(key, load).await,
            Self::InMemory(memory) => memory.get(key, load).await,
            Self::InRedis(redis) => redis.get(key, load).await,
        }
    }

    /// A value that is there. By hand, these are its bytes as they are stored: the limit of a hit.
    pub async fn hit(&self, key: &str) -> Result<()> {
        if let Self::Raw(raw) = self {
            return raw.bytes(key).await;
        }
        let user = self.get(key, async || bail!("it is not there")).await;
        user.map(|user| drop(std::hint::black_box(user)))
    }

    /// Removes a value.
    pub async fn evict(&self, key: &str) -> Result<()> {
        match self {
            Self::Raw(raw) => raw.evict(key).await,
            Self::Ours(ours) => ours.evict(key).await,
            Self::InRedis(redis) => redis.evict(key).await,
            Self::Moka(_) | Self::InMemory(_) => bail!("others would not hear of it"),
        }
    }
}
