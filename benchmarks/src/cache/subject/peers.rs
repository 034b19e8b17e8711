//! The peers in Rust, called as their documentation shows.

use std::time::Duration;

use anyhow::{Result, anyhow};
use cached::{AsyncRedisCache, ConcurrentCacheTtl, ConcurrentCachedAsync, ShardedLruTtlCache};

use super::User;

const SIZE: usize = 100_000;
const TTL: Duration = Duration::from_secs(60);

/// `moka`, with its defaults; a value is cloned out of it.
#[derive(Debug)]
pub struct Moka {
    cache: moka::sync::Cache<String, User>,
}

impl Moka {
    pub(super) fn new() -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(SIZE as u64)
            .time_to_live(TTL);
        Self {
            cache: cache.build(),
        }
    }

    pub(super) async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<User>>,
    {
        if let Some(user) = self.cache.get(key) {
            return Ok(user);
        }
        let user = load().await?;
        self.cache.insert(key.to_owned(), user.clone());
        Ok(user)
    }
}

/// `cached` in memory, the store behind `#[concurrent_cached]`.
#[derive(Debug)]
pub struct InMemory {
    cache: ShardedLruTtlCache<String, User>,
}

impl InMemory {
    pub(super) fn new() -> Self {
        Self {
            cache: ShardedLruTtlCache::new(SIZE, TTL),
        }
    }

    pub(super) async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<User>>,
    {
        if let Some(user) = self.cache.get(key) {
            return Ok(user);
        }
        let user = load().await?;
        self.cache.set(key.to_owned(), user.clone());
        Ok(user)
    }
}

/// `cached` on Redis: what `#[concurrent_cached]` does with `AsyncRedisCache`.
pub struct InRedis {
    cache: AsyncRedisCache<String, User>,
}

impl std::fmt::Debug for InRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InRedis").finish_non_exhaustive()
    }
}

impl InRedis {
    pub(super) async fn connect(uri: &str) -> Result<Self> {
        let cache = AsyncRedisCache::builder("users")
            .connection_string(uri)
            .ttl(TTL);
        let cache = cache.build().await.map_err(|error| anyhow!("{error}"))?;
        Ok(Self { cache })
    }

    pub(super) fn set_ttl(&self, ttl: Duration) {
        self.cache.set_ttl(ttl);
    }

    pub(super) async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<User>>,
    {
        let key = key.to_owned();
        if let Some(user) = self.cache.async_cache_get(&key).await? {
            return Ok(user);
        }
        let user = load().await?;
        self.cache.async_cache_set(key, user.clone()).await?;
        Ok(user)
    }

    pub(super) async fn evict(&self, key: &str) -> Result<()> {
        self.cache.async_cache_delete(&key.to_owned()).await?;
        Ok(())
    }
}
