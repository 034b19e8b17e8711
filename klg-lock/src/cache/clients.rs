//! The caches of one registry, by client.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cache, Core};
use crate::config::{Config, RedisConfig};
use crate::error::{CacheError, Error};

#[derive(Debug)]
pub(crate) struct Caches {
    default: Arc<Core>,
    by_client: BTreeMap<Box<str>, Arc<Core>>,
}

impl Caches {
    /// Connects the cache of the configured client; those of the others connect at their first use.
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        let chosen = config.cache.client.as_deref();
        let chosen = chosen.unwrap_or(RedisConfig::DEFAULT_CLIENT);
        let mut default = None;
        let mut by_client = BTreeMap::new();
        for (name, mut client) in config.redis.all_clients() {
            client.lazy |= name != chosen;
            let core = Core::open(name, &client, &config.cache).await?;
            if name == chosen {
                default = Some(core.clone());
            }
            by_client.insert(name.into(), core);
        }
        let default = default
            .ok_or_else(|| Error::config(format!("cache.client names no client: {chosen:?}")))?;
        Ok(Self { default, by_client })
    }

    pub(crate) fn default(&self) -> Cache {
        Cache::new(self.default.clone())
    }

    /// The same, counted under a name.
    pub(crate) fn default_under(&self, name: &str) -> Cache {
        Cache::under(self.default.clone(), name)
    }

    pub(crate) fn of(&self, client: &str) -> Result<Cache, CacheError> {
        match self.by_client.get(client) {
            Some(core) => Ok(Cache::new(core.clone())),
            None => Err(CacheError::UnknownClient {
                name: client.into(),
                known: self.by_client.keys().map(ToString::to_string).collect(),
            }),
        }
    }

    pub(crate) async fn close(&self) {
        let closing = self.by_client.values().map(|core| core.close());
        futures_util::future::join_all(closing).await;
    }
}
