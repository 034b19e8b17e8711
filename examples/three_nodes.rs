//! Redlock on three independent nodes: a lock is held when two of them granted it, so that one may
//! be away.
//!
//! Needs no server; with REDLOCK_NODES=redis://a:6379,redis://b:6379,redis://c:6379 set, the locks
//! are on those.

use std::time::Duration;

use klg_lock::{Config, Error, LockError, Redlock};

/// Nobody listens there.
const AWAY: &str = "redis://127.0.0.1:1";

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::from_env()?;
    if config.redlock.nodes.is_empty() {
        config = config.nodes(["memory://a", "memory://b", "memory://c"]);
    }

    println!("three of three nodes");
    let redlock = Redlock::builder().config(config).connect().await?;
    lock(&redlock).await?;
    redlock.shutdown().await;

    println!("two of three nodes");
    let redlock = Redlock::builder()
        .nodes(["memory://a", "memory://b", AWAY])
        .connect()
        .await?;
    lock(&redlock).await?;
    redlock.shutdown().await;

    println!("one of three nodes");
    let second = "redis://127.0.0.1:2";
    let redlock = Redlock::builder()
        .nodes(["memory://a", second, AWAY])
        .connect()
        .await?;
    match lock(&redlock).await {
        Err(error @ LockError::Unavailable { .. }) => println!("  {error}"),
        other => println!("  {other:?}"),
    }
    redlock.shutdown().await;
    Ok(())
}

async fn lock(redlock: &Redlock) -> Result<(), LockError> {
    let lock = redlock
        .lock("invoice:42")
        .ttl(Duration::from_secs(10))
        .acquire()
        .await?;
    println!("  locked, good for another {:.1?}", lock.remaining());
    if let Some(found) = redlock.inspect("invoice:42").await? {
        println!("  a quorum says that it is held by {}", found.holder);
    }
    lock.release().await
}
