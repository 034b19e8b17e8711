//! The peers in Rust, called as their documentation shows.

use std::time::Duration;

use anyhow::{Result, anyhow};
use distributed_lock_core::prelude::{DistributedLock, LockHandle, LockProvider};
use distributed_lock_redis::RedisLockProvider;

const TTL: Duration = Duration::from_secs(60);

/// `rslock`: multiplexed connections, polls with random delays of up to 200 ms.
#[derive(Debug)]
pub struct Rslock {
    manager: rslock::LockManager,
}

impl Rslock {
    pub(super) fn connect(uris: &[String]) -> Self {
        Self {
            manager: rslock::LockManager::new(uris.to_vec()),
        }
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let lock = self.manager.acquire(key.as_bytes(), TTL).await?;
        let output = section().await;
        lock.release().await;
        Ok(output)
    }
}

/// `redlock`: a new connection for every command, and it blocks its thread.
#[derive(Debug)]
pub struct Redlock {
    manager: redlock::RedLock,
}

impl Redlock {
    pub(super) fn connect(uris: &[String]) -> Self {
        Self {
            manager: redlock::RedLock::new(uris.to_vec()),
        }
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let lock = self
            .manager
            .lock(key.as_bytes(), 60_000)?
            .ok_or_else(|| anyhow!("{key} is locked"))?;
        let output = section().await;
        self.manager.unlock(&lock);
        Ok(output)
    }
}

/// `distributed-lock-redis`: over `fred`; it gives up at once where the lock is held.
pub struct Distributed {
    provider: RedisLockProvider,
}

impl std::fmt::Debug for Distributed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distributed").finish_non_exhaustive()
    }
}

impl Distributed {
    pub(super) async fn connect(uris: &[String]) -> Result<Self> {
        let provider = RedisLockProvider::builder()
            .urls(uris)
            .expiry(TTL)
            .extension_cadence(TTL / 3)
            .min_validity(TTL * 9 / 10)
            .build()
            .await?;
        Ok(Self { provider })
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let lock = self.provider.create_lock(key).acquire(None).await?;
        let output = section().await;
        lock.release().await?;
        Ok(output)
    }
}
