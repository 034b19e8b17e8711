//! A call of a cached function, and what is special about it.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::report;
use crate::cache::refresh::{Loading, infallible, ok};
use crate::cache::{Cache, CacheEntry, CachedCall, Codec};
use crate::config;
use crate::error::CacheError;

/// A call of a cached function, and what is special about it.
#[derive(Debug)]
pub struct Request<C: Codec = config::Codec> {
    /// No entry: the function runs, and that is all; with an error if there is no cache, without if
    /// none is wanted.
    entry: Result<CacheEntry<String, C>, Option<CacheError>>,
}

impl Request {
    /// `key` is computed only where there is a cache.
    pub fn new(cache: Result<Cache, CacheError>, key: impl FnOnce() -> String) -> Self {
        Self {
            entry: cache.map(|cache| cache.entry(key())).map_err(Some),
        }
    }
}

impl<C: Codec> Request<C> {
    /// `condition = expr` is `false`: the call goes past the cache.
    #[must_use]
    pub fn past() -> Self {
        Self { entry: Err(None) }
    }

    fn with(self, change: impl FnOnce(CacheEntry<String, C>) -> CacheEntry<String, C>) -> Self {
        Self {
            entry: self.entry.map(change),
        }
    }

    /// The key, where it names the result and so was not known when the request was made.
    #[must_use]
    pub fn key(self, key: impl FnOnce() -> String) -> Self {
        self.with(|entry| entry.keyed(key()))
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
    pub fn tags<I>(self, tags: impl FnOnce() -> I) -> Self
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
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
    pub fn codec<D: Codec>(self, codec: D) -> Request<D> {
        Request {
            entry: self.entry.map(|entry| entry.codec(codec)),
        }
    }

    /// The entry, or none, which is then reported.
    fn entry(self) -> Option<CacheEntry<String, C>> {
        self.entry
            .inspect_err(|error| error.iter().for_each(report))
            .ok()
    }

    /// Around a function that returns a `Result`. `keep`: `|_| true`, or not `unless`.
    pub async fn using<T, E, F, Fut>(self, load: F, keep: impl FnOnce(&T) -> bool) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.entry() {
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
        match self.entry() {
            Some(entry) => entry.using_value_if(load, keep).await,
            None => load().await,
        }
    }

    /// `refresh = background` or `refresh = expr`, around a function that returns a `Result`.
    pub async fn using_refreshed<T, E, F, A, B>(
        self,
        load: F,
        keep: impl FnOnce(&T) -> bool + Send + 'static,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
        F: FnOnce(bool) -> Loading<A, B>,
        A: Future<Output = Result<T, E>>,
        B: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.entry() {
            Some(entry) => entry.using_refreshed(load, keep).await,
            None => load(false).run().await,
        }
    }

    /// The same around a function that returns anything else.
    pub async fn using_value_refreshed<T, F, A, B>(
        self,
        load: F,
        keep: impl FnOnce(&T) -> bool + Send + 'static,
    ) -> T
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: FnOnce(bool) -> Loading<A, B>,
        A: Future<Output = T>,
        B: Future<Output = T> + Send + 'static,
    {
        let load = |elected| match load(elected) {
            Loading::Here(load) => Loading::Here(ok(load)),
            Loading::Apart(load) => Loading::Apart(ok(load)),
        };
        infallible(self.using_refreshed(load, keep)).await
    }

    /// The entry for [`Cache::using_many`], whose own key plays no part.
    pub(super) fn many(self) -> Option<CacheEntry<String, C>> {
        self.entry()
    }

    /// `#[cache_put]`, after the body returned `value`. What goes wrong is reported, not returned.
    pub fn put<T: Serialize>(self, value: &T) -> impl Future<Output = ()> + use<T, C> {
        // Written here, so that the value is not borrowed for as long as the future lives.
        let put = self.entry().map(|entry| entry.put(value));
        async move {
            let Some(put) = put else { return };
            if let Err(error) = put.await {
                tracing::warn!(%error, "a value was not put into the cache");
            }
        }
    }
}

impl Request {
    /// `entry = name`: what the generated function returns.
    pub fn call<T>(self) -> CachedCall<T> {
        CachedCall::new(
            self.entry
                .map_err(|error| error.unwrap_or(CacheError::NotInitialized)),
        )
    }
}
