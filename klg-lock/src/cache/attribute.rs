//! What the cache attributes expand to, and nobody else may use: it changes without notice.
//!
//! A request that cannot be made, because no registry is current or no client has that name, runs
//! the function all the same, and says so once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, CacheEntry};
use crate::config;
use crate::error::CacheError;
use crate::registry;

/// The current registry's cache, counted under the function's name.
pub fn current(name: &str) -> Result<Cache, CacheError> {
    let registry = registry::registry().map_err(|_| CacheError::NotInitialized)?;
    Ok(registry.cache().named(name))
}

/// The same on a named client.
pub fn current_on(client: &str, name: &str) -> Result<Cache, CacheError> {
    let registry = registry::registry().map_err(|_| CacheError::NotInitialized)?;
    Ok(registry.cache_on(client)?.named(name))
}

/// A cache of the user's own.
pub fn of(cache: &Cache, name: &str) -> Result<Cache, CacheError> {
    Ok(cache.named(name))
}

/// Says once that functions run without their cache.
fn report(error: &CacheError) {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if !REPORTED.swap(true, Ordering::Relaxed) {
        tracing::warn!(%error, "a cached function runs without its cache");
    }
}

/// A call of a cached function, and what is special about it.
#[derive(Debug)]
pub struct Request {
    /// `None`: the function runs, and that is all.
    entry: Option<CacheEntry<String>>,
}

impl Request {
    /// `key` is computed only where there is a cache.
    pub fn new(cache: Result<Cache, CacheError>, key: impl FnOnce() -> String) -> Self {
        let entry = match cache {
            Ok(cache) => Some(cache.entry(key())),
            Err(error) => {
                report(&error);
                None
            }
        };
        Self { entry }
    }

    fn with(self, change: impl FnOnce(CacheEntry<String>) -> CacheEntry<String>) -> Self {
        Self {
            entry: self.entry.map(change),
        }
    }

    /// `condition = expr`: `false` goes past the cache.
    #[must_use]
    pub fn condition(self, holds: bool) -> Self {
        Self {
            entry: self.entry.filter(|_| holds),
        }
    }

    /// See [`CacheEntry::ttl`].
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|entry| entry.ttl(ttl))
    }

    /// See [`CacheEntry::stale`].
    #[must_use]
    pub fn stale(self, stale: Duration) -> Self {
        self.with(|entry| entry.stale(stale))
    }

    /// See [`CacheEntry::none_ttl`].
    #[must_use]
    pub fn none_ttl(self, ttl: Duration) -> Self {
        self.with(|entry| entry.none_ttl(ttl))
    }

    /// See [`CacheEntry::beta`].
    #[must_use]
    pub fn beta(self, beta: f64) -> Self {
        self.with(|entry| entry.beta(beta))
    }

    /// See [`CacheEntry::tags`].
    #[must_use]
    pub fn tags<const N: usize>(self, tags: impl FnOnce() -> [String; N]) -> Self {
        self.with(|entry| entry.tags(tags()))
    }

    /// See [`CacheEntry::l1`].
    #[must_use]
    pub fn l1(self, l1: bool) -> Self {
        self.with(|entry| entry.l1(l1))
    }

    /// See [`CacheEntry::l1_ttl`].
    #[must_use]
    pub fn l1_ttl(self, ttl: Duration) -> Self {
        self.with(|entry| entry.l1_ttl(ttl))
    }

    /// See [`CacheEntry::load_timeout`].
    #[must_use]
    pub fn load_timeout(self, timeout: Duration) -> Self {
        self.with(|entry| entry.load_timeout(timeout))
    }

    /// See [`CacheEntry::codec`].
    #[must_use]
    pub fn codec(self, codec: config::Codec) -> Self {
        self.with(|entry| entry.codec(codec))
    }

    /// Around a function that returns a `Result`. `keep`: `|_| true`, or not `unless`.
    pub async fn using<T, E, F, Fut>(self, load: F, keep: impl FnOnce(&T) -> bool) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.entry {
            Some(entry) => entry.using_if(load, keep).await,
            None => load().await,
        }
    }

    /// Around a function that returns anything else.
    pub async fn using_value<T, F, Fut>(self, load: F, keep: impl FnOnce(&T) -> bool) -> T
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        match self.entry {
            Some(entry) => entry.using_value_if(load, keep).await,
            None => load().await,
        }
    }

    /// `refresh = background`, around a function that returns a `Result`. For one that returns
    /// anything else, the load wraps it in `Ok::<_, Infallible>`.
    pub async fn using_background<T, E, F, Fut>(
        self,
        load: F,
        keep: impl FnOnce(&T) -> bool + Send + 'static,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.entry {
            Some(entry) => entry.using_background_if(load, keep).await,
            None => load().await,
        }
    }

    /// `#[cached_many]`: the request's own key plays no part.
    pub async fn using_many<I, T, E, F, Fut>(
        self,
        ids: Vec<I>,
        key_of: impl Fn(&I) -> String,
        load: F,
    ) -> Result<HashMap<I, T>, E>
    where
        I: Eq + Hash,
        T: Serialize + DeserializeOwned,
        F: FnOnce(Vec<I>) -> Fut,
        Fut: Future<Output = Result<HashMap<I, T>, E>>,
    {
        match self.entry {
            Some(entry) => entry.using_many(ids, key_of, load).await,
            None => load(ids).await,
        }
    }

    /// `#[cache_put]`, after the body returned `value`. What goes wrong is reported, not returned.
    pub fn put<T: Serialize>(self, value: &T) -> impl Future<Output = ()> + use<T> {
        // Written here, so that the value is not borrowed for as long as the future lives.
        let put = self.entry.map(|entry| entry.put(value));
        async move {
            let Some(put) = put else { return };
            if let Err(error) = put.await {
                tracing::warn!(%error, "a value was not put into the cache");
            }
        }
    }
}

/// What `#[cache_evict]` evicts.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// One key.
    Key(&'a str),
    /// Everything that carries a tag.
    Tag(&'a str),
}

/// `#[cache_evict]`: what goes wrong is reported, not returned.
pub async fn evict(cache: Result<Cache, CacheError>, target: Target<'_>) {
    let evicted = match (cache, target) {
        (Ok(cache), Target::Key(key)) => cache.evict(key).await,
        (Ok(cache), Target::Tag(tag)) => cache.evict_tag(tag).await,
        (Err(error), _) => Err(error),
    };
    if let Err(error) = evicted {
        tracing::warn!(%error, ?target, "a value was not evicted from the cache");
    }
}

/// `#[cache_evict(strict)]`: what goes wrong is the function's error.
///
/// # Errors
/// As [`Cache::evict_strict`], and where there is no cache to evict from.
pub async fn evict_strict(
    cache: Result<Cache, CacheError>,
    target: Target<'_>,
) -> Result<(), CacheError> {
    match target {
        Target::Key(key) => cache?.evict_strict(key).await,
        Target::Tag(tag) => cache?.evict_tag_strict(tag).await,
    }
}
