//! What the cache attributes expand to, and nobody else may use: it changes without notice.
//!
//! * `request`: a call of a cached function, and what is special about it
//! * `returns`: what the function returns, a `Result` or anything else, and what is done with it
//! * `eviction`: what `#[cache_evict]` evicts
//!
//! A request that cannot be made, because no registry is current or no client has that name, runs
//! the function all the same, and says so once.

mod eviction;
mod request;
mod returns;

use std::sync::atomic::{AtomicBool, Ordering};

pub use self::eviction::{CarriesCacheError, Eviction, StrictOutcome, carry};
pub use self::request::Request;
pub use self::returns::{
    AnyValue, Cacheable, Fallible, Many, Owned, Plain, Returns, never, owned, returned, returns,
};
use super::Cache;
pub use super::call::CachedCall;
pub use super::refresh::Loading;
pub use crate::config::Codec;
use crate::error::CacheError;
use crate::registry;

/// The current registry's cache, counted under the function's name.
pub fn current(name: &str) -> Result<Cache, CacheError> {
    let registry = registry::registry().map_err(|_| CacheError::NotInitialized)?;
    Ok(registry.cache_under(name))
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
