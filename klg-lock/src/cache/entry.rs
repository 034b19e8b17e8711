//! One entry of a cache: its key, and what is special about it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::Codec;
use super::refresh::Loading;
use super::run::{Handle, run};
use super::spec::Spec;
use super::{Cache, direct, many, refresh};
use crate::config;
use crate::error::CacheError;

/// One entry of a cache, and what is special about it; made by [`Cache::entry`](super::Cache::entry).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = klg_lock::Config::default().uri("memory://");
/// # let cache = klg_lock::Registry::builder().config(config).build().await?.cache();
/// use std::time::Duration;
///
/// let user: Result<String, std::io::Error> = cache
///     .entry("user:42")
///     .ttl(Duration::from_secs(300))
///     .stale(Duration::from_secs(3600))
///     .tags(["users"])
///     .using(|| async { Ok("Ann".to_owned()) })
///     .await;
/// assert_eq!(user?, "Ann");
/// # Ok(()) }
/// ```
#[must_use = "an entry does nothing until it is used"]
#[derive(Clone)]
pub struct CacheEntry<K, C = config::Codec> {
    handle: Handle,
    key: K,
    spec: Spec,
    codec: C,
}

impl<K: AsRef<str>> CacheEntry<K> {
    pub(super) fn new(handle: Handle, key: K) -> Self {
        Self {
            spec: handle.core.spec.clone(),
            codec: handle.core.config.codec,
            handle,
            key,
        }
    }
}

impl<K: AsRef<str>, C: Codec> CacheEntry<K, C> {
    /// How long the value is fresh; at least 1 ms. Default: `cache.ttl`.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.spec.ttl = ttl;
        self
    }

    /// By how much of itself the TTL is shortened at random, from 0 to below 1. Default:
    /// `cache.ttl_jitter`.
    pub fn jitter(mut self, share: f64) -> Self {
        self.spec.jitter = share.clamp(0.0, 1.0);
        self
    }

    /// How much longer the value may be served after that, while one caller loads it anew, or when
    /// the load fails. Default: `cache.stale`.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.spec.stale = stale;
        self
    }

    /// For how long a `None` is remembered. Default: `cache.none_ttl`.
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.spec.none_ttl = Some(ttl);
        self
    }

    /// How eagerly the value is refreshed before it expires; 0: never. Default: `cache.beta`.
    pub fn beta(mut self, beta: f64) -> Self {
        self.spec.beta = beta;
        self
    }

    /// Tags by which the entry can be evicted together with others. Every caller of a key names
    /// the same tags.
    pub fn tags<T: Into<Box<str>>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        let tags: Vec<Box<str>> = tags.into_iter().map(Into::into).collect();
        self.spec.tags = (!tags.is_empty()).then(|| tags.into());
        self
    }

    /// Whether the value is kept in this process too, where the cache does that at all. Default:
    /// yes.
    pub fn l1(mut self, l1: bool) -> Self {
        self.spec.l1 = l1;
        self
    }

    /// How long it is kept in this process at most. Default: `cache.l1.ttl`.
    pub fn l1_ttl(mut self, ttl: Duration) -> Self {
        self.spec.l1_ttl = Some(ttl);
        self
    }

    /// How long a caller waits for somebody else's load before it loads for itself. Default:
    /// `cache.load_timeout`.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.spec.load_timeout = timeout;
        self
    }

    /// How the value is written. Every caller of a key uses the same codec.
    pub fn codec<D: Codec>(self, codec: D) -> CacheEntry<K, D> {
        CacheEntry {
            handle: self.handle,
            key: self.key,
            spec: self.spec,
            codec,
        }
    }

    /// Returns the cached value, or what `load` returns, which is then cached if it is `Ok`.
    ///
    /// The error is the function's own: the cache adds none.
    ///
    /// # Cancel safety
    /// Dropping the future drops the load; somebody who waits for it loads in its place.
    pub fn using<F, Fut, T, E>(
        self,
        load: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, Fut, T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
    {
        run(self.handle, self.key, self.spec, self.codec, load, |_| true)
    }

    /// [`using`](Self::using), where only values are cached of which `keep` says so.
    pub fn using_if<F, Fut, T, E, P>(
        self,
        load: F,
        keep: P,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, Fut, T, E, P>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
        P: FnOnce(&T) -> bool,
    {
        run(self.handle, self.key, self.spec, self.codec, load, keep)
    }

    /// [`using`](Self::using) for a function that returns a plain value.
    pub fn using_value<F, Fut, T>(self, load: F) -> impl Future<Output = T> + use<K, C, F, Fut, T>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
        T: Serialize + DeserializeOwned,
    {
        self.using_value_if(load, |_| true)
    }

    /// [`using_value`](Self::using_value), where only values are cached of which `keep` says so.
    pub fn using_value_if<F, Fut, T, P>(
        self,
        load: F,
        keep: P,
    ) -> impl Future<Output = T> + use<K, C, F, Fut, T, P>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
        T: Serialize + DeserializeOwned,
        P: FnOnce(&T) -> bool,
    {
        let load = || {
            let load = load();
            async { Ok::<T, Infallible>(load.await) }
        };
        let run = run(self.handle, self.key, self.spec, self.codec, load, keep);
        async {
            match run.await {
                Ok(value) => value,
                Err(never) => match never {},
            }
        }
    }

    /// [`using`](Self::using), where a stale value is returned at once to every caller, and one of
    /// them spawns the load that replaces it. At most `cache.refreshes` of them run at once; beyond
    /// that the caller that is to replace it loads before it returns. A value that is missing is loaded as usual.
    ///
    /// The spawned load has the current registry and tracing span; a call of its own key inside it
    /// goes past the cache. `load` itself is called here, so only the future that it returns has to
    /// outlive the call.
    pub fn using_background<F, Fut, T, E>(
        self,
        load: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, Fut, T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        self.using_background_if(load, |_| true)
    }

    /// [`using_background`](Self::using_background), where only values are cached of which `keep`
    /// says so.
    pub fn using_background_if<F, Fut, T, E, P>(
        self,
        load: F,
        keep: P,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, Fut, T, E, P>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        P: FnOnce(&T) -> bool + Send + 'static,
    {
        self.using_refreshed(|_| Loading::<Fut, Fut>::Apart(load()), keep)
    }

    /// [`using_background_if`](Self::using_background_if), where the load behind the caller's back
    /// may be another than the one that the caller waits for.
    pub(super) fn using_refreshed<F, A, B, T, E, P>(
        self,
        load: F,
        keep: P,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, A, B, T, E, P>
    where
        F: FnOnce(bool) -> Loading<A, B>,
        A: Future<Output = Result<T, E>>,
        B: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        P: FnOnce(&T) -> bool + Send + 'static,
    {
        refresh::run(self.handle, self.key, self.spec, self.codec, load, keep)
    }

    /// Loads the value anew, whatever is there, and stores it unless its key is touched meanwhile.
    pub(super) fn refresh<F, Fut, T, E>(
        self,
        load: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, C, F, Fut, T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
    {
        refresh::anew(self.handle, self.key, self.spec, self.codec, load)
    }

    /// Removes the value; see [`Cache::evict`](super::Cache::evict).
    pub(super) fn evict(
        self,
        strict: bool,
    ) -> impl Future<Output = Result<(), CacheError>> + use<K, C> {
        let key = direct::entries(&self.handle.core, &[self.key.as_ref()]);
        let cache = Cache {
            handle: self.handle,
        };
        cache.delete(key, strict)
    }

    pub(super) fn key(&self) -> &str {
        self.key.as_ref()
    }

    /// The same under another key.
    pub(super) fn keyed(self, key: K) -> Self {
        Self { key, ..self }
    }

    /// [`Cache::using_many`](super::Cache::using_many) with the options of this entry, whose own key
    /// plays no part.
    pub fn using_many<I, P, F, Fut, T, E>(
        self,
        ids: Vec<I>,
        key_of: P,
        load: F,
    ) -> impl Future<Output = Result<HashMap<I, T>, E>> + use<K, C, I, P, F, Fut, T, E>
    where
        I: Eq + Hash,
        P: Fn(&I) -> String,
        F: FnOnce(Vec<I>) -> Fut,
        Fut: Future<Output = Result<HashMap<I, T>, E>>,
        T: Serialize + DeserializeOwned,
    {
        many::run(self.handle, ids, key_of, self.spec, self.codec, load)
    }

    /// The cached value, fresh or in its grace period; loads nothing.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when the server cannot be asked; [`CacheError::InvalidKey`].
    pub fn get<T: DeserializeOwned>(
        self,
    ) -> impl Future<Output = Result<Option<T>, CacheError>> + use<K, C, T> {
        direct::get(self.handle, self.key, self.spec, self.codec)
    }

    /// Stores a value, whatever is there. Loads that are under way do not replace it.
    ///
    /// A put that the server does not take is no error: the entry is evicted instead, as soon as
    /// that is possible.
    ///
    /// # Errors
    /// [`CacheError::InvalidKey`]; [`CacheError::Encode`] for a value that cannot be written;
    /// [`CacheError::Closed`].
    ///
    /// # Cancel safety
    /// Once it has been polled, the value is stored even if the future is dropped.
    pub fn put<T: Serialize>(
        self,
        value: &T,
    ) -> impl Future<Output = Result<(), CacheError>> + use<K, C, T> {
        let prepared = direct::prepare(&self.spec, &self.codec, self.key.as_ref(), value);
        async move { direct::put(self.handle, self.spec, prepared?).await }
    }
}

impl<K: AsRef<str>, C: Codec> fmt::Debug for CacheEntry<K, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheEntry")
            .field("key", &self.key.as_ref())
            .field("spec", &self.spec)
            .field("codec", &self.codec.name())
            .finish()
    }
}
