//! What can go wrong: one enum per situation, one variant per decision a caller can take.

mod cache;
mod lock;
mod node;
mod votes;

use std::error::Error as StdError;
use std::fmt;

pub use self::cache::CacheError;
pub use self::lock::{Holder, LockError};
pub use self::node::{NodeError, NodeErrorKind};
pub use self::votes::{NodeFault, Votes};

/// Why the library could not be started, configured, reached for a store operation, or shut down.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing, unknown or out of range.
    #[error("configuration: {0}")]
    Config(Box<str>),

    /// `init` was called a second time.
    #[error(
        "klg-lock is already initialised; call `klg_lock::init` once, at start-up (tests: build a registry of their own with `Registry::builder()`)"
    )]
    AlreadyInitialized,

    /// A Redis server could not be used.
    #[error("Redis client {client:?} ({server}): {error}")]
    Redis {
        /// The client's name.
        client: Box<str>,
        /// The server, without credentials.
        server: Box<str>,
        /// What happened, and the way out.
        #[source]
        error: NodeError,
    },

    /// A stored value is not what was asked for: another Redis type under the key, or bytes that
    /// do not decode.
    #[error("Redis client {client:?}, key {key:?}: {reason}")]
    Value {
        /// The client's name.
        client: Box<str>,
        /// The key, without the prefix.
        key: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
        /// The decoder's own error.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },

    /// A lock error met on the way.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Error {
    pub(crate) fn config(message: impl Into<Box<str>>) -> Self {
        Self::Config(message.into())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_error_stays_small_and_can_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<LockError>();
        crosses::<Error>();
        crosses::<CacheError>();
        assert!(
            size_of::<LockError>() < 128,
            "{} bytes",
            size_of::<LockError>()
        );
    }
}
