//! Why an explicit operation of the cache failed.

use std::error::Error as StdError;
use std::fmt;

use super::NodeError;

/// Why an explicit operation of the cache failed. Functions that are merely cached never see it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The key or tag cannot name a cached value.
    #[error("invalid cache key: {reason}")]
    InvalidKey {
        /// What is wrong with it, and what to write instead.
        reason: Box<str>,
    },

    /// The value cannot be written by the cache's codec.
    #[error("the value for {key:?} cannot be encoded: {source}")]
    Encode {
        /// The key, without prefix and namespace.
        key: Box<str>,
        /// The codec's own error.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The server could not be asked.
    #[error("the cache on Redis client {client:?} ({server}) cannot be used: {error}")]
    Unavailable {
        /// The client's name.
        client: Box<str>,
        /// The server, without credentials.
        server: Box<str>,
        /// What happened, and the way out.
        #[source]
        error: NodeError,
    },

    /// The registry has no client of that name.
    #[error("no Redis client is named {name:?}; known: {}", .known.join(", "))]
    UnknownClient {
        /// The name that was asked for.
        name: Box<str>,
        /// The names there are.
        known: Box<[String]>,
    },

    /// No registry is current here.
    #[error(
        "klg-lock is not initialised: call `klg_lock::init(Config::from_env()?).await?` at start-up, \
         or run this code inside `registry.scope(..)`"
    )]
    NotInitialized,

    /// The registry has been shut down.
    #[error("the cache has been shut down")]
    Closed,
}

impl fmt::Debug for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
