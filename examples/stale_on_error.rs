//! A cache never makes a working function fail: first the source of the values fails, and the old
//! value is served; then the cache's server fails, and the function simply runs.
//!
//! Needs no server: the one in this process fails on command (feature `test-kit`).

use std::time::Duration;

use klg_lock::testing::MemoryServer;
use klg_lock::{Cache, Config, NodeErrorKind};
use tokio::time::sleep;

async fn rate(cache: &Cache, source: Result<u32, &'static str>) -> Result<u32, &'static str> {
    cache
        .entry("rate")
        .ttl(Duration::from_millis(50))
        .stale(Duration::from_secs(3600)) // how much longer the old value may be served
        .using(|| async { source })
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = MemoryServer::named("example");
    klg_lock::init(Config::default().uri(server.uri())).await?;
    let registry = klg_lock::registry()?;
    let cache = registry.cache();

    println!("all is well:      {:?}", rate(&cache, Ok(1)).await);
    sleep(Duration::from_millis(100)).await; // it is fresh no longer
    println!(
        "the source fails: {:?}",
        rate(&cache, Err("no rates today")).await
    );

    server.fail(NodeErrorKind::Unreachable);
    println!("Redis fails:      {:?}", rate(&cache, Ok(2)).await);
    println!(
        "both fail:        {:?}",
        rate(&cache, Err("no rates today")).await
    );

    server.recover();
    registry.shutdown().await?;
    Ok(())
}
