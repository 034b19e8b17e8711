//! The cache: values that somebody else owns, kept near, never stale by write-back, never in the way.
//!
//! * [`Cache`], [`CacheEntry`]: the handle, and one entry with what is special about it;
//!   [`CachedCall`]: the entry of one call of an annotated function
//! * `run`: one call from its key to its result; `obtain`: how it comes by its value; `lead`: the
//!   load; `refresh`: a load behind the caller's back; `direct`: operations without a load;
//!   `many`: several keys at once
//! * `judge`: what an entry is worth; `record`: its bytes; `codec`, `none`, `packing`: its value
//! * `local`: values in this process, `front`: those that are read most; `flight`: one load for all callers of this process; `wake`,
//!   `loading`: who waits for, and who runs, which load
//! * `breaker`, `repeat`: what happens when the server does not answer; `stats`: what happened
//! * `backend`, `scripts/`: the operations on Redis and on a server in memory
//! * `attribute`: what the attributes call
//! * `core`, `clients`, `spec`: what handles share, and what a request asks

#[doc(hidden)]
pub mod attribute;
mod backend;
mod breaker;
mod call;
mod clients;
mod codec;
mod core;
mod direct;
mod entry;
mod flight;
mod judge;
mod lead;
mod loading;
mod local;
mod many;
mod none;
mod obtain;
mod packing;
mod record;
mod refresh;
mod repeat;
mod run;
mod spec;
mod stats;
mod wake;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::call::CachedCall;
pub(crate) use self::clients::Caches;
pub use self::codec::{Codec, CodecError, Json, MessagePack};
pub(crate) use self::core::Core;
pub use self::entry::CacheEntry;
use self::run::Handle;
pub use self::stats::{CacheCounts, CacheStats};
use crate::error::CacheError;

/// A distributed cache on one Redis client; cheap to clone.
///
/// A cached value is data that somebody else owns: the cache may lose it at any time, and with
/// Redis away the function simply runs. A value whose load began before its key was evicted or put
/// is never seen after that.
///
/// Not for data that exists nowhere else (that is the store's), and not where an answer must never be
/// older than the last write of a process that does not evict.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = klg_lock::Config::default().uri("memory://");
/// # let registry = klg_lock::Registry::builder().config(config).build().await?;
/// async fn load_user(id: u32) -> Result<String, std::io::Error> {
///     Ok(format!("user {id}"))
/// }
///
/// let cache = registry.cache();
/// let user = cache.using("user:42", || load_user(42)).await?;
/// assert_eq!(user, "user 42");
/// assert_eq!(cache.get("user:42").await?, Some(user));
/// cache.evict("user:42").await?;
/// assert_eq!(cache.get::<String>("user:42").await?, None);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Cache {
    handle: Handle,
}

/// The name under which a cache counts unless it is given another.
const DEFAULT_NAME: &str = "default";

impl Cache {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self::under(core, DEFAULT_NAME)
    }

    /// Counted under a name.
    pub(crate) fn under(core: Arc<Core>, name: &str) -> Self {
        let counters = core.stats.named(name);
        Self {
            handle: Handle { core, counters },
        }
    }

    /// The same cache, counted under a name of its own in [`stats`](Self::stats). The name is no
    /// part of any key.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self::under(self.handle.core.clone(), name)
    }

    /// One entry, to say what is special about it: its TTL, its tags.
    pub fn entry<K: AsRef<str>>(&self, key: K) -> CacheEntry<K> {
        CacheEntry::new(self.handle.clone(), key)
    }

    /// Returns the cached value, or what `load` returns, which is then cached if it is `Ok`.
    ///
    /// Callers of one key share one load, in this process and in all others; a load that fails
    /// gives its own caller the error, and the next one loads by itself. The error is the function's
    /// own: the cache adds none.
    ///
    /// # Cancel safety
    /// Dropping the future drops the load; somebody who waits for it loads in its place.
    pub fn using<K, F, Fut, T, E>(
        &self,
        key: K,
        load: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, F, Fut, T, E>
    where
        K: AsRef<str>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Serialize + DeserializeOwned,
    {
        self.entry(key).using(load)
    }

    /// [`using`](Self::using) for a function that returns a plain value.
    pub fn using_value<K, F, Fut, T>(
        &self,
        key: K,
        load: F,
    ) -> impl Future<Output = T> + use<K, F, Fut, T>
    where
        K: AsRef<str>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
        T: Serialize + DeserializeOwned,
    {
        self.entry(key).using_value(load)
    }

    /// [`using`](Self::using), where a stale value is returned at once, and loaded anew by a task
    /// of its own; see [`CacheEntry::using_background`].
    pub fn using_background<K, F, Fut, T, E>(
        &self,
        key: K,
        load: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, F, Fut, T, E>
    where
        K: AsRef<str>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Send + 'static,
    {
        self.entry(key).using_background(load)
    }

    /// The cached value, fresh or in its grace period; loads nothing.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when the server cannot be asked; [`CacheError::InvalidKey`].
    pub fn get<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<Option<T>, CacheError>> + use<T> {
        self.entry(Box::<str>::from(key)).get()
    }

    /// The cached values of several keys, in their order, in one round trip.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many<T, K, I>(
        &self,
        keys: I,
    ) -> impl Future<Output = Result<Vec<Option<T>>, CacheError>> + use<T, K, I>
    where
        T: DeserializeOwned,
        K: AsRef<str>,
        I: IntoIterator<Item = K>,
    {
        let handle = self.handle.clone();
        let keys: Vec<Box<str>> = keys.into_iter().map(|key| key.as_ref().into()).collect();
        async move {
            let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
            let spec = handle.core.spec.clone();
            let codec = handle.core.config.codec;
            direct::get_many(&handle, &keys, &spec, &codec).await
        }
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
        &self,
        key: &str,
        value: &T,
    ) -> impl Future<Output = Result<(), CacheError>> + use<T> {
        self.entry(Box::<str>::from(key)).put(value)
    }

    /// Stores several values in one round trip; as [`put`](Self::put).
    ///
    /// # Errors
    /// As [`put`](Self::put); one value that cannot be written keeps all of them from being stored.
    pub fn put_many<'v, K, T, I>(
        &self,
        values: I,
    ) -> impl Future<Output = Result<(), CacheError>> + use<'v, K, T, I>
    where
        K: AsRef<str>,
        T: Serialize + 'v,
        I: IntoIterator<Item = (K, &'v T)>,
    {
        let handle = self.handle.clone();
        let spec = handle.core.spec.clone();
        let codec = handle.core.config.codec;
        let prepared: Result<Vec<_>, _> = values
            .into_iter()
            .map(|(key, value)| direct::prepare(&spec, &codec, key.as_ref(), value))
            .collect();
        async move { direct::put_many(handle, spec, prepared?).await }
    }

    /// Returns the values of several ids: those that are cached, and those that `load` returns for
    /// the others, which are then cached. `key_of` names the key of an id; ids that `load` leaves
    /// out are not in the result.
    ///
    /// Two such calls do not wait for each other: what somebody else is loading is loaded once more.
    /// A stale value is served and not loaded anew. See [`CacheEntry::using_many`] for options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = klg_lock::Config::default().uri("memory://");
    /// # let cache = klg_lock::Registry::builder().config(config).build().await?.cache();
    /// use std::collections::HashMap;
    ///
    /// let names: HashMap<u32, String> = cache
    ///     .using_many(vec![1, 2], |id| format!("user:{id}"), |missing| async move {
    ///         Ok::<_, std::io::Error>(missing.into_iter().map(|id| (id, format!("user {id}"))).collect())
    ///     })
    ///     .await?;
    /// assert_eq!(names[&2], "user 2");
    /// assert_eq!(cache.get("user:1").await?, Some(names[&1].clone()));
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future drops the load; nothing is stored.
    pub fn using_many<I, P, F, Fut, T, E>(
        &self,
        ids: Vec<I>,
        key_of: P,
        load: F,
    ) -> impl Future<Output = Result<HashMap<I, T>, E>> + use<I, P, F, Fut, T, E>
    where
        I: Eq + Hash,
        P: Fn(&I) -> String,
        F: FnOnce(Vec<I>) -> Fut,
        Fut: Future<Output = Result<HashMap<I, T>, E>>,
        T: Serialize + DeserializeOwned,
    {
        self.entry("").using_many(ids, key_of, load)
    }

    /// Removes a value, here and everywhere. What is being loaded now is not stored any more.
    ///
    /// An eviction that the server does not take is no error: it is repeated in the background until
    /// it is taken, or no entry can be left. Calls of this process do not see the old value meanwhile.
    ///
    /// # Errors
    /// [`CacheError::InvalidKey`]; [`CacheError::Closed`].
    ///
    /// # Cancel safety
    /// Once it has been polled, the value is removed even if the future is dropped.
    pub fn evict(&self, key: &str) -> impl Future<Output = Result<(), CacheError>> + use<> {
        self.delete(direct::entries(&self.handle.core, &[key]), false)
    }

    /// [`evict`](Self::evict), where an eviction that the server does not take is an error. It is
    /// repeated all the same.
    ///
    /// # Errors
    /// As [`evict`](Self::evict), and [`CacheError::Unavailable`].
    pub fn evict_strict(&self, key: &str) -> impl Future<Output = Result<(), CacheError>> + use<> {
        self.delete(direct::entries(&self.handle.core, &[key]), true)
    }

    /// Removes every entry that carries the tag, in one step, however many there are.
    ///
    /// # Errors
    /// As [`evict`](Self::evict).
    pub fn evict_tag(&self, tag: &str) -> impl Future<Output = Result<(), CacheError>> + use<> {
        self.delete(direct::tags(&self.handle.core, &[tag]), false)
    }

    /// [`evict_tag`](Self::evict_tag), where an eviction that the server does not take is an error.
    /// It is repeated all the same.
    ///
    /// # Errors
    /// As [`evict_strict`](Self::evict_strict).
    pub fn evict_tag_strict(
        &self,
        tag: &str,
    ) -> impl Future<Output = Result<(), CacheError>> + use<> {
        self.delete(direct::tags(&self.handle.core, &[tag]), true)
    }

    fn delete(
        &self,
        keys: Result<Vec<Box<str>>, CacheError>,
        strict: bool,
    ) -> impl Future<Output = Result<(), CacheError>> + use<> {
        let Handle { core, counters } = self.handle.clone();
        async move {
            let deleted = core.delete(keys?).await;
            if strict {
                return deleted.map_err(|error| core.error(error));
            }
            direct::taken(&core, &counters, deleted)
        }
    }

    /// Removes everything under the cache's own prefix and namespace, and nothing else. Walks
    /// through the server's keys, so it takes a while on a large server; on a cluster, through the keys
    /// of every master.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`]; some of it may have been removed then.
    pub fn clear(&self) -> impl Future<Output = Result<(), CacheError>> + use<> {
        let core = self.handle.core.clone();
        async move { direct::clear(&core).await }
    }

    /// What has happened so far, by name: a table that can be printed.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.handle.core.stats.rows()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.handle.core, f)
    }
}
