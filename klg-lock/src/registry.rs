//! The registry: every client and engine of one configuration, and which registry is the current one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::future::join_all;
use once_cell::sync::OnceCell;
use tokio::runtime::{Handle, Id};

use crate::cache::{Cache, Caches};
use crate::client::Health;
use crate::config::{Config, RedisConfig};
use crate::error::{CacheError, Error, LockError};
use crate::redlock::Redlock;
use crate::redlock::builder::{Keepers, Start, connect, node_uris};
use crate::redlock::core::Core;
use crate::redlock::settings::Kind;
use crate::store::Store;
use crate::sync::lock;

static GLOBAL: OnceCell<Registry> = OnceCell::new();

tokio::task_local! {
    static SCOPED: Registry;
}

/// Makes a registry and has it be the global one, which [`registry`] and the attributes use.
///
/// Call it once, in `main`, inside the runtime that the program goes on running in.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::Config;
///
/// klg_lock::init(Config::default().uri("memory://")).await?; // or Config::from_env()?
/// let sum = klg_lock::registry()?.mutex().using("key1", |_lock| async { 1 + 1 }).await?;
/// assert_eq!(sum, 2);
/// klg_lock::registry()?.shutdown().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::AlreadyInitialized`] the second time; else those of [`RegistryBuilder::build`].
///
/// # Cancel safety
/// Dropping the future leaves nothing behind; `init` can then be called again.
pub async fn init(config: Config) -> Result<(), Error> {
    if GLOBAL.get().is_some() {
        return Err(Error::AlreadyInitialized);
    }
    let registry = Registry::builder().config(config).build().await?;
    // Two calls at the same time: the first to get here wins.
    GLOBAL.set(registry).map_err(|_| Error::AlreadyInitialized)
}

/// The current registry: that of the surrounding [`Registry::scope`], else the one bound to this
/// tokio runtime ([`Registry::bind_runtime`]), else the global one ([`init`]).
///
/// # Errors
/// [`LockError::NotInitialized`] when there is none.
pub fn registry() -> Result<Registry, LockError> {
    if let Ok(registry) = SCOPED.try_with(Registry::clone) {
        return Ok(registry);
    }
    bound()
        .or_else(|| GLOBAL.get().cloned())
        .ok_or(LockError::NotInitialized)
}

/// Runs `future` under the registry that is current here by [`Registry::scope`], also in a task of
/// its own.
pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let scoped = SCOPED.try_with(Registry::clone).ok();
    async move {
        match scoped {
            Some(registry) => SCOPED.scope(registry, future).await,
            None => future.await,
        }
    }
}

/// Registries bound to runtimes.
fn bindings() -> &'static Mutex<HashMap<Id, Registry>> {
    static BINDINGS: OnceLock<Mutex<HashMap<Id, Registry>>> = OnceLock::new();
    BINDINGS.get_or_init(Mutex::default)
}

fn bound() -> Option<Registry> {
    let bindings = lock(bindings());
    if bindings.is_empty() {
        return None;
    }
    bindings.get(&Handle::try_current().ok()?.id()).cloned()
}

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

    /// Has this registry be the current one inside `future`; not in tasks that it spawns.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = klg_lock::Config::default().uri("memory://");
    /// # let registry = klg_lock::Registry::builder().config(config).build().await?;
    /// let held = registry.scope(async {
    ///     let lock = klg_lock::registry()?.mutex().lock("key1").acquire().await?;
    ///     Ok::<_, klg_lock::LockError>(lock.is_valid())
    /// });
    /// assert!(held.await?);
    /// # Ok(()) }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPED.scope(self.clone(), future)
    }

    /// Has this registry be the current one for all that runs on the current tokio runtime, spawned
    /// tasks and `spawn_blocking` included, until the guard is dropped: so tests run side by side.
    ///
    /// Outside a runtime it binds nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = klg_lock::Config::default().uri("memory://");
    /// # let registry = klg_lock::Registry::builder().config(config).build().await?;
    /// let _bound = registry.bind_runtime(); // in a test: the first line after building the registry
    /// let known = tokio::spawn(async { klg_lock::registry().is_ok() });
    /// assert!(known.await?);
    /// # Ok(()) }
    /// ```
    #[must_use = "the binding ends when the guard is dropped"]
    pub fn bind_runtime(&self) -> RuntimeBinding {
        let id = Handle::try_current().ok().map(|handle| handle.id());
        let before = id.and_then(|id| lock(bindings()).insert(id, self.clone()));
        RuntimeBinding { id, before }
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

/// Ends what [`Registry::bind_runtime`] began when it is dropped.
#[must_use = "the binding ends when the guard is dropped"]
#[derive(Debug)]
pub struct RuntimeBinding {
    id: Option<Id>,
    before: Option<Registry>,
}

impl Drop for RuntimeBinding {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut bindings = lock(bindings());
        match self.before.take() {
            Some(before) => drop(bindings.insert(id, before)),
            None => drop(bindings.remove(&id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ClientConfig;

    async fn two_clients() -> Registry {
        let redis = RedisConfig::default()
            .uri("memory://registry-default")
            .client(
                "session",
                ClientConfig::default()
                    .uri("memory://registry-session")
                    .prefix("s_"),
            );
        Registry::builder()
            .config(Config::default().redis(redis))
            .build()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_named_client_has_locks_and_a_store_of_its_own() {
        let registry = two_clients().await;
        let here = registry.mutex().lock("k").acquire().await.unwrap();
        let there = registry
            .mutex_on("session")
            .unwrap()
            .lock("k")
            .acquire()
            .await
            .unwrap();
        assert!(
            registry
                .mutex_on("session")
                .unwrap()
                .lock("k")
                .acquire()
                .await
                .is_err()
        );
        let keys = crate::testing::MemoryServer::named("registry-session").keys();
        assert!(keys.iter().any(|key| key == "s_lock:k"), "{keys:?}");
        registry
            .client("session")
            .unwrap()
            .set("name", "x")
            .await
            .unwrap();
        let value: Option<String> = registry.store().get("name").await.unwrap();
        assert_eq!(value, None);
        assert_eq!(registry.health().len(), 2);
        drop((here, there));
        registry.shutdown().await.unwrap();
        assert!(matches!(
            registry
                .buffer_on("session")
                .unwrap()
                .lock("k")
                .acquire()
                .await,
            Err(LockError::Closed)
        ));
    }

    #[tokio::test]
    async fn an_unknown_client_is_answered_with_the_known_ones() {
        let registry = two_clients().await;
        let error = registry.mutex_on("sesion").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no Redis client is named \"sesion\"; known: default, session"
        );
    }

    #[tokio::test]
    async fn the_current_registry_is_the_scoped_then_the_bound_one() {
        assert!(matches!(registry(), Err(LockError::NotInitialized)));
        let (scoped, bound) = (two_clients().await, two_clients().await);
        let is = |a: &Registry, b: &Registry| Arc::ptr_eq(&a.inner, &b.inner);
        {
            let _bound = bound.bind_runtime();
            let seen = tokio::spawn(async { registry().unwrap() }).await.unwrap();
            assert!(is(&seen, &bound));
            let seen = tokio::task::spawn_blocking(|| registry().unwrap())
                .await
                .unwrap();
            assert!(is(&seen, &bound));
            assert!(is(
                &scoped.scope(async { registry().unwrap() }).await,
                &scoped
            ));
        }
        assert!(matches!(registry(), Err(LockError::NotInitialized)));
    }
}
