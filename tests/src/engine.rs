//! The library's engines on the harness's servers.

use std::collections::BTreeSet;

use klg_lock::{Config, Redlock, RedlockBuilder, Registry, Retry};

use crate::Server;

/// The URIs of some servers.
#[must_use]
pub fn uris(servers: &[Server]) -> Vec<String> {
    servers.iter().map(Server::uri).collect()
}

/// An engine on some servers, everything else at its default; `.mutex()` or `.buffer(..)` follows.
pub fn engine(servers: &[Server]) -> RedlockBuilder {
    Redlock::builder().nodes(uris(servers))
}

/// A mutex engine on some servers, everything else at its default.
pub async fn mutex(servers: &[Server]) -> Redlock {
    engine(servers).mutex().connect().await.unwrap()
}

/// A buffer engine on some servers, everything else at its default.
pub async fn buffer(servers: &[Server]) -> Redlock {
    let engine = engine(servers).buffer(Retry::default());
    engine.connect().await.unwrap()
}

/// A registry on one server, everything else at its default.
pub async fn registry(server: &Server) -> Registry {
    let config = Config::default().uri(server.uri());
    Registry::builder().config(config).build().await.unwrap()
}

/// The key of a resource, with prefix and namespace at their defaults.
#[must_use]
pub fn key(resource: &str) -> String {
    format!("redis_lock:{resource}")
}

/// The lock keys that a server has, all other keys left out.
#[must_use]
pub fn lock_keys(server: &Server) -> BTreeSet<String> {
    server.control().keys_like("redis_lock:*")
}

/// Who, of some servers, still has lock keys.
#[must_use]
pub fn are_clean(servers: &[Server]) -> bool {
    servers.iter().all(|server| lock_keys(server).is_empty())
}
