//! `Config`: what can be set, as plain data, and where it is read from.
//!
//! * [`RedisConfig`], [`RedlockConfig`], [`CacheConfig`]: one section each, with every default and
//!   its reason

// `section.rs` is what sections have in common, `check.rs` what makes a setting impossible, and
// `env.rs` and `load.rs` are where settings come from.

mod cache;
mod check;
mod env;
#[cfg(feature = "load")]
mod load;
mod redis;
mod redlock;
mod section;
#[cfg(test)]
mod tests;
mod uri;

use serde::Deserialize;

pub use self::cache::{CacheConfig, Codec, L1Config};
pub use self::redis::{ClientConfig, RedisConfig, TlsConfig};
pub use self::redlock::{BufferConfig, RedlockConfig};
pub use self::uri::Uri;

/// Everything that can be configured; the default needs a Redis on `localhost:6379`.
///
/// It is plain data: read it from a file or from the environment ([`from_env`](Self::from_env),
/// [`load`](Self::load)), deserialize it with `serde` from whatever the application is configured
/// with, or write it in code. Durations are written as `"10s"` or `"1m 30s"`, or as an integer in
/// milliseconds. An unknown field inside a section is an error; other sections belong to the
/// application and are let be.
///
/// ```
/// use std::time::Duration;
/// use klg_lock::{Config, RedlockConfig};
///
/// let config = Config::default()
///     .uri("redis://redis.internal:6379")
///     .prefix("shop_")
///     .redlock(RedlockConfig::default().ttl(Duration::from_secs(10)));
/// assert_eq!(config.redlock.namespace, "lock:");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Config {
    /// Where Redis is: the default client, and any others by name.
    pub redis: RedisConfig,
    /// The locks.
    pub redlock: RedlockConfig,
    /// The cache.
    pub cache: CacheConfig,
}

impl Config {
    /// Sets the default client's URI.
    #[must_use = "returns the changed settings"]
    pub fn uri(mut self, uri: impl Into<Uri>) -> Self {
        self.redis.uri = uri.into();
        self
    }

    /// Sets the default client's prefix, which every key begins with.
    #[must_use = "returns the changed settings"]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.redis.prefix = prefix.into();
        self
    }

    /// Sets the independent masters that vote on locks, in place of the default client alone.
    #[must_use = "returns the changed settings"]
    pub fn nodes<U: Into<Uri>>(mut self, nodes: impl IntoIterator<Item = U>) -> Self {
        self.redlock = self.redlock.nodes(nodes);
        self
    }

    /// Sets the whole section `redis`.
    #[must_use = "returns the changed settings"]
    pub fn redis(mut self, redis: RedisConfig) -> Self {
        self.redis = redis;
        self
    }

    /// Sets the whole section `redlock`.
    #[must_use = "returns the changed settings"]
    pub fn redlock(mut self, redlock: RedlockConfig) -> Self {
        self.redlock = redlock;
        self
    }

    /// Sets the whole section `cache`.
    #[must_use = "returns the changed settings"]
    pub fn cache(mut self, cache: CacheConfig) -> Self {
        self.cache = cache;
        self
    }
}
