//! A thousand callers ask for a value that nobody has yet: one of them loads it, all get it.
//!
//! Needs no server; with REDIS_URI set, the cache is on that Redis, and several runs at the same
//! time still load once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use klg_lock::{Config, cached};
use tokio::task::JoinSet;
use tokio::time::sleep;

static LOADS: AtomicU32 = AtomicU32::new(0);

#[cached("rate", ttl = "1m")]
async fn rate() -> f64 {
    LOADS.fetch_add(1, Ordering::Relaxed);
    sleep(Duration::from_millis(100)).await;
    1.25
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;

    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        callers.spawn(rate());
    }
    let answers: Vec<f64> = callers.join_all().await;
    println!("{} answers", answers.len());
    println!("all the same: {}", answers.iter().all(|rate| *rate == 1.25));
    println!("loads: {}", LOADS.load(Ordering::Relaxed));

    let registry = klg_lock::registry()?;
    registry.cache().evict("rate").await?;
    registry.shutdown().await?;
    Ok(())
}
