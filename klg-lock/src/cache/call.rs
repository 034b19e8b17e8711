//! The cached result of one call of an annotated function.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::CacheEntry;
use super::refresh;
use crate::error::CacheError;

/// The cached result of one call of an annotated function: read it, put, evict or refresh it.
///
/// Returned by the function that `#[cached(entry = name)]` generates beside
/// the annotated one. It has the key, the tags and the options of the annotation, and the type of
/// what the function returns, so that none of them is written twice.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # klg_lock::init(klg_lock::Config::default().uri("memory://")).await?;
/// # #[cfg(feature = "macros")] {
/// use klg_lock::cached;
///
/// #[cached("user:{id}", ttl = "5m", entry = user_entry)]
/// async fn find_user(id: u64) -> Result<String, std::io::Error> {
///     Ok(format!("user {id}"))
/// }
///
/// find_user(42).await?;
/// assert_eq!(user_entry(42).get().await?.as_deref(), Some("user 42"));
/// user_entry(42).evict().await?;
/// assert_eq!(user_entry(42).get().await?, None);
/// # }
/// # Ok(()) }
/// ```
#[must_use = "an entry does nothing until it is used"]
pub struct CachedCall<T> {
    entry: Result<CacheEntry<String>, CacheError>,
    value: PhantomData<fn() -> T>,
}

impl<T> CachedCall<T> {
    pub(super) fn new(entry: Result<CacheEntry<String>, CacheError>) -> Self {
        Self {
            entry,
            value: PhantomData,
        }
    }

    /// The key, without prefix and namespace; `None` where there is no cache.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.entry.as_ref().ok().map(CacheEntry::key)
    }

    /// The cached value, fresh or in its grace period; runs nothing.
    ///
    /// # Errors
    /// As [`Cache::get`](super::Cache::get); [`CacheError::NotInitialized`] and
    /// [`CacheError::UnknownClient`] where there is no cache.
    pub async fn get(self) -> Result<Option<T>, CacheError>
    where
        T: DeserializeOwned,
    {
        self.entry?.get().await
    }

    /// Stores a value as the function's result, whatever is there.
    ///
    /// # Errors
    /// As [`CacheEntry::put`], and as [`get`](Self::get) where there is no cache.
    ///
    /// # Cancel safety
    /// Once it has been polled, the value is stored even if the future is dropped.
    pub fn put(self, value: &T) -> impl Future<Output = Result<(), CacheError>> + use<T>
    where
        T: Serialize,
    {
        let put = self.entry.map(|entry| entry.put(value));
        async move { put?.await }
    }

    /// Removes the value, here and everywhere.
    ///
    /// # Errors
    /// As [`Cache::evict`](super::Cache::evict), and as [`get`](Self::get) where there is no cache.
    ///
    /// # Cancel safety
    /// Once it has been polled, the value is removed even if the future is dropped.
    pub async fn evict(self) -> Result<(), CacheError> {
        self.entry?.evict(false).await
    }

    /// [`evict`](Self::evict), where an eviction that the server does not take is an error.
    ///
    /// # Errors
    /// As [`Cache::evict_strict`](super::Cache::evict_strict), and as [`get`](Self::get) where there
    /// is no cache.
    pub async fn evict_strict(self) -> Result<(), CacheError> {
        self.entry?.evict(true).await
    }

    /// Loads the value anew, whatever is cached, and stores it. `load` is a call of the annotated
    /// function, which goes past the cache here, or anything else that returns the same.
    ///
    /// Until it is done, others are served what is there. A value that somebody evicts or puts
    /// meanwhile is not overwritten. A load that fails changes nothing. Where there is no cache, it
    /// loads, and that is all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # klg_lock::init(klg_lock::Config::default().uri("memory://")).await?;
    /// # #[cfg(feature = "macros")] {
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// static LOADS: AtomicU32 = AtomicU32::new(0);
    ///
    /// #[klg_lock::cached("rate:{currency}", entry = rate_entry)]
    /// async fn rate(currency: &str) -> Result<u32, std::io::Error> {
    ///     Ok(LOADS.fetch_add(1, Ordering::Relaxed) + 1)
    /// }
    ///
    /// assert_eq!(rate("EUR").await?, 1);
    /// assert_eq!(rate_entry("EUR").refresh(|| rate("EUR")).await?, 2);
    /// assert_eq!(rate("EUR").await?, 2);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of `load`; the cache adds none.
    ///
    /// # Cancel safety
    /// Dropping the future drops the load; nothing is stored.
    pub async fn refresh<F, Fut, E>(self, load: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
    {
        match self.entry {
            Ok(entry) => entry.refresh(load).await,
            Err(_) => load().await,
        }
    }

    /// [`refresh`](Self::refresh) with a function that returns a plain value.
    ///
    /// # Cancel safety
    /// As [`refresh`](Self::refresh).
    pub async fn refresh_value<F, Fut>(self, load: F) -> T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
        T: Serialize + DeserializeOwned,
    {
        refresh::infallible(self.refresh(|| refresh::ok(load()))).await
    }
}

impl<T> fmt::Debug for CachedCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedCall")
            .field("entry", &self.entry)
            .finish_non_exhaustive()
    }
}
