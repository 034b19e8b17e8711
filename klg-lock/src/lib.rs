//! Run async functions under a Redis distributed lock.

#[cfg(feature = "axum")]
mod axum;
mod client;
pub mod config;
mod error;
mod memory;
mod node;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod private;
mod redlock;
mod registry;
pub mod store;
mod sync;
#[cfg(any(test, feature = "test-kit"))]
pub mod testing;

pub use client::{Connection, Health, HealthState};
pub use config::{CacheConfig, ClientConfig, Config, RedisConfig, RedlockConfig};
pub use error::{Error, Holder, LockError, NodeError, NodeErrorKind, NodeFault, Votes};
#[cfg(feature = "macros")]
pub use klg_lock_macros::{buffer_lock, mutex_lock};
/// The `redis` crate, for what [`Connection`] is used with.
pub use redis;
pub use redlock::{
    FencingToken, Inspection, IntoResources, Lock, LockHandle, LockRequest, OnLost, Redlock,
    RedlockBuilder, Retry,
};
pub use registry::{Registry, RegistryBuilder, RuntimeBinding, init, registry};
pub use store::Store;
