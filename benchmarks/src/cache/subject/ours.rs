//! This library's cache, with its default settings but for what the variant says.

use std::time::Duration;

use anyhow::Result;
use klg_lock::{Cache, Config, Registry};

use super::User;

/// A cache of the default client.
#[derive(Debug)]
pub struct Ours {
    cache: Cache,
    /// Holds the connections.
    _registry: Registry,
    /// A stale value is returned at once, and loaded anew by a task.
    background: bool,
    pub(super) ttl: Duration,
}

impl Ours {
    pub(super) async fn connect(variant: &str, uri: &str) -> Result<Self> {
        let (l1, background) = match variant {
            "L1" => (true, false),
            "L2" => (false, false),
            "L2 background" => (false, true),
            other => anyhow::bail!("there is no variant {other:?}"),
        };
        let mut config = Config::default().uri(uri);
        config.cache.l1.enabled = l1;
        let registry = Registry::builder().config(config).build().await?;
        Ok(Self {
            cache: registry.cache(),
            _registry: registry,
            background,
            ttl: Duration::from_secs(60),
        })
    }

    pub(super) async fn get<F, Fut>(&self, key: &str, load: F) -> Result<User>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<User>> + Send + 'static,
    {
        if self.background {
            let entry = self.cache.entry(key.to_owned()).ttl(self.ttl);
            return entry.using_background(load).await;
        }
        self.cache.entry(key).ttl(self.ttl).using(load).await
    }

    pub(super) async fn evict(&self, key: &str) -> Result<()> {
        Ok(self.cache.evict(key).await?)
    }
}
