//! The registry: every client and engine of one configuration.

mod builder;
mod current;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

pub use self::builder::RegistryBuilder;
pub(crate) use self::current::carried;
pub use self::current::{RuntimeBinding, init, registry};
use crate::cache::{Cache, Caches};
use crate::client::Health;
use crate::config::RedisConfig;
use crate::error::{CacheError, Error, LockError};
use crate::redlock::Redlock;
use crate::redlock::core::Core;
use crate::redlock::settings::Kind;
use crate::store::Store;

/// Everything that one configuration describes: locks, clients, store and cache; cheap to clone.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::{Config, Registry};
///
/// let registry = Registry::builder().config(Config::default().uri("memory://")).build().await?;
/// let sum = registry.mutex().using("key1", |_lock| async { 1 + 1 }).await?;
/// assert_eq!(sum, 2);
/// registry.shutdown().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    default: Client,
    /// The others, by name.
    named: BTreeMap<Box<str>, Client>,
    caches: Caches,
}

/// What belongs to one client.
struct Client {
    /// For the default client: the configured nodes. For others their server, from the first lock.
    engine: Arc<Core>,
    store: Store,
}

impl Registry {
    /// Builds a registry that is not global.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Locks that fail at once when the resource is held.
    #[must_use]
    pub fn mutex(&self) -> Redlock {
        self.default_engine(Kind::Mutex)
    }

    /// Locks that wait their turn.
    #[must_use]
    pub fn buffer(&self) -> Redlock {
        self.default_engine(Kind::Buffer)
    }

    /// [`mutex`](Self::mutex) on the server of a named client.
    ///
    /// # Errors
    /// [`LockError::UnknownClient`], which lists the known ones.
    pub fn mutex_on(&self, client: &str) -> Result<Redlock, LockError> {
        self.engine(client, Kind::Mutex)
    }

    /// [`buffer`](Self::buffer) on the server of a named client.
    ///
    /// # Errors
    /// [`LockError::UnknownClient`], which lists the known ones.
    pub fn buffer_on(&self, client: &str) -> Result<Redlock, LockError> {
        self.engine(client, Kind::Buffer)
    }

    /// The store on the default client.
    #[must_use]
    pub fn store(&self) -> Store {
        self.inner.default.store.clone()
    }

    /// The store on a named client; the default one is called `default`.
    ///
    /// # Errors
    /// [`LockError::UnknownClient`], which lists the known ones.
    pub fn client(&self, name: &str) -> Result<Store, LockError> {
        self.named(name).map(|client| client.store.clone())
    }

    /// How each client's connection is doing, by name.
    #[must_use]
    pub fn health(&self) -> BTreeMap<String, Health> {
        self.clients()
            .map(|(name, client)| (name.to_owned(), client.store.health()))
            .collect()
    }

    /// The cache, on the client that `cache.client` names, or the default one.
    #[must_use]
    pub fn cache(&self) -> Cache {
        self.inner.caches.default()
    }

    /// [`cache`](Self::cache), counted under a name: asked for by every call of a cached function.
    pub(crate) fn cache_under(&self, name: &str) -> Cache {
        self.inner.caches.default_under(name)
    }

    /// [`cache`](Self::cache) on the server of a named client.
    ///
    /// # Errors
    /// [`CacheError::UnknownClient`], which lists the known ones.
    pub fn cache_on(&self, client: &str) -> Result<Cache, CacheError> {
        self.inner.caches.of(client)
    }

    fn default_engine(&self, kind: Kind) -> Redlock {
        Redlock::new(Arc::clone(&self.inner.default.engine), kind)
    }

    fn engine(&self, client: &str, kind: Kind) -> Result<Redlock, LockError> {
        self.named(client)
            .map(|client| Redlock::new(Arc::clone(&client.engine), kind))
    }

    fn clients(&self) -> impl Iterator<Item = (&str, &Client)> {
        let named = self
            .inner
            .named
            .iter()
            .map(|(name, client)| (&**name, client));
        std::iter::once((RedisConfig::DEFAULT_CLIENT, &self.inner.default)).chain(named)
    }

    fn named(&self, name: &str) -> Result<&Client, LockError> {
        let found = self.clients().find(|(known, _)| *known == name);
        found
            .map(|(_, client)| client)
            .ok_or_else(|| LockError::UnknownClient {
                name: name.into(),
                known: self.clients().map(|(known, _)| known.to_owned()).collect(),
            })
    }

    /// Stops taking requests, lets bodies that run under a lock finish (for `shutdown_grace`),
    /// releases what is still held, and closes every connection.
    ///
    /// # Errors
    /// None today; kept so that a shutdown that could not release everything can say so.
    ///
    /// # Cancel safety
    /// No new lock is taken once it has been polled; the rest goes on only while it is polled.
    pub fn shutdown(&self) -> impl Future<Output = Result<(), Error>> + use<> {
        let inner = Arc::clone(&self.inner);
        async move {
            let clients = || std::iter::once(&inner.default).chain(inner.named.values());
            join_all(clients().map(|client| client.engine.close())).await;
            // Last, since bodies that were let finish may use them.
            join_all(clients().map(|client| client.store.close())).await;
            inner.caches.close().await;
            Ok(())
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field(
                "clients",
                &self.clients().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
