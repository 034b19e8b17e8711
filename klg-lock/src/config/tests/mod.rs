//! Settings: their defaults, and what is refused.

mod combinations;
mod environment;
#[cfg(feature = "load")]
mod files;
#[cfg(feature = "load")]
mod layers;
mod names;
mod ranges;
mod servers;

use std::time::Duration;

use super::*;
use crate::error::Error;

/// What a rule says when it is broken.
fn refused(config: &Config) -> String {
    match config.check() {
        Err(error @ Error::Config(_)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(()) => panic!("nothing wrong with {config:?}"),
    }
}

fn redlock(change: impl FnOnce(RedlockConfig) -> RedlockConfig) -> Config {
    Config::default().redlock(change(RedlockConfig::default()))
}

fn buffer(change: impl FnOnce(BufferConfig) -> BufferConfig) -> Config {
    redlock(|redlock| redlock.buffer(change(BufferConfig::default())))
}

fn cache(change: impl FnOnce(CacheConfig) -> CacheConfig) -> Config {
    Config::default().cache(change(CacheConfig::default()))
}

fn client(name: &str, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Config {
    let client = change(ClientConfig::default().uri("redis://localhost"));
    Config::default().redis(RedisConfig::default().client(name, client))
}

#[test]
fn the_defaults_are_possible_and_as_documented() {
    let config = Config::default();
    config.check().unwrap();
    assert_eq!(config.redis.uri, "redis://localhost:6379".into());
    assert_eq!(config.redis.prefix, "redis_");
    assert_eq!(config.redlock.ttl, Duration::from_secs(60));
    assert_eq!(config.redlock.buffer.wait, Duration::from_secs(600));
    assert_eq!(
        config.redlock.buffer.retry_delay,
        Duration::from_millis(400)
    );
    assert_eq!(config.redlock.buffer.retry_count, 0);
    assert_eq!(config.cache.ttl, Duration::from_secs(300));
    assert!(config.redlock.nodes.is_empty());
}

#[test]
fn the_default_client_and_a_named_one_share_their_defaults() {
    let default = RedisConfig::default().default_client();
    assert_eq!(ClientConfig::default().uri(default.uri.clone()), default);
}

#[test]
fn every_client_is_listed_the_default_one_first() {
    let config = client("session", |client| client.prefix("session_"));
    let names: Vec<_> = config.redis.all_clients().map(|(name, _)| name).collect();
    assert_eq!(names, ["default", "session"]);
}
