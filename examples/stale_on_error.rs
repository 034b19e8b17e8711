//! A cache never makes a working function fail: first the source of the values fails, and the old
//! value is served; then the cache's server fails, and the function simply runs.
//!
//! Needs no server: the one in this process fails on command (feature `test-kit`).

use std::time::Duration;

use klg_lock::testing::MemoryServer;
use klg_lock::{Config, NodeErrorKind, cached};
use tokio::time::sleep;

/// What the source says: a rate, or that it fails.
#[cached("rate", ttl = "50ms", stale = "1h")]
async fn rate(source: Result<u32, &'static str>) -> Result<u32, &'static str> {
    source
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = MemoryServer::named("example");
    klg_lock::init(Config::default().uri(server.uri())).await?;

    println!("all is well:      {:?}", rate(Ok(1)).await);
    sleep(Duration::from_millis(100)).await; // it is fresh no longer
    println!("the source fails: {:?}", rate(Err("no rates today")).await);

    server.fail(NodeErrorKind::Unreachable);
    println!("Redis fails:      {:?}", rate(Ok(2)).await);
    println!("both fail:        {:?}", rate(Err("no rates today")).await);

    server.recover();
    klg_lock::registry()?.shutdown().await?;
    Ok(())
}
