//! A registry made from a configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Client, Inner, Registry};
use crate::cache::Caches;
use crate::config::{Config, RedisConfig};
use crate::error::Error;
use crate::redlock::builder::{Keepers, Start, connect, node_uris};
use crate::store::Store;

/// Builds a registry that is not global; made by [`Registry::builder`].
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Clone, Debug, Default)]
pub struct RegistryBuilder {
    config: Config,
}

impl RegistryBuilder {
    /// What to build from; the default configuration unless set.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Checks the configuration and connects. Has to be called inside a tokio runtime, in which
    /// the registry's tasks then run.
    ///
    /// A server that is away does not fail this unless `require_connection` is set: calls report it
    /// until it is back.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work; [`Error::Redis`] for servers that will
    /// never serve, such as one that refuses the password.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn build(self) -> Result<Registry, Error> {
        let config = self.config;
        config.check()?;
        let keepers = Keepers::default();
        let name = RedisConfig::DEFAULT_CLIENT;
        let client = config.redis.default_client();
        let uris = node_uris(&config.redlock, &client);
        let start = if client.lazy {
            Start::AtFirstUse
        } else {
            Start::Now
        };
        let default = Client {
            engine: connect(&config, name, &client, &uris, &keepers, start).await?,
            store: Store::open(name, &client).await?,
        };
        let mut named = BTreeMap::new();
        for (name, client) in &config.redis.clients {
            let uris = [client.uri.clone()];
            let start = Start::AtFirstUse;
            let client = Client {
                engine: connect(&config, name, client, &uris, &keepers, start).await?,
                store: Store::open(name, client).await?,
            };
            named.insert(name.as_str().into(), client);
        }
        Ok(Registry {
            inner: Arc::new(Inner {
                default,
                named,
                caches: Caches::open(&config).await?,
            }),
        })
    }
}
