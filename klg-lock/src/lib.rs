#![cfg_attr(feature = "macros", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "macros"),
    doc = "Run async functions under a Redis distributed lock."
)]
//!
//! # Layout
//!
//! * [`init`], [`registry`](registry()), [`Registry`]: what one configuration describes, and which
//!   is the current one
//! * [`config`]: [`Config`] and its sections, with every default and its reason
//! * [`Redlock`], [`LockRequest`], [`Lock`], [`LockHandle`]: the engine, a request, a guard, and the
//!   handle that a routine gets
//! * [`store`], [`cache`]: the key-value store and the cache, on the same clients
//! * [`LockError`] for locks, [`CacheError`] for the cache, [`Error`] for everything else
//!
//! Knowledge flows one way: attributes and registry know the engine (`redlock`), the engine knows
//! the port to a node (`node`), and only the node on Redis, the clients (`client`), the store and
//! the cache know Redis. `memory` is the server inside this process.

#[cfg(feature = "axum")]
mod axum;
pub mod cache;
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
mod slot;
pub mod store;
mod sync;
#[cfg(any(test, feature = "test-kit"))]
pub mod testing;

pub use cache::{Cache, CacheEntry, CacheStats, CachedCall};
pub use client::{Connection, Health, HealthState};
pub use config::{CacheConfig, ClientConfig, Config, RedisConfig, RedlockConfig};
pub use error::{CacheError, Error, Holder, LockError, NodeError, NodeErrorKind, NodeFault, Votes};
#[cfg(feature = "macros")]
pub use klg_lock_macros::{buffer_lock, cache_evict, cache_put, cached, cached_many, mutex_lock};
/// The `redis` crate, for what [`Connection`] is used with.
pub use redis;
pub use redlock::{
    FencingToken, Inspection, IntoResources, Lock, LockHandle, LockRequest, OnLost, Redlock,
    RedlockBuilder, Retry,
};
pub use registry::{Registry, RegistryBuilder, RuntimeBinding, init, registry};
pub use store::Store;
