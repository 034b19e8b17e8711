//! A function that is slow, and a cache in front of it: the second call comes from Redis. So does
//! the first one when the example is run again within a minute, with REDIS_URI set.
//!
//! Needs no server; without REDIS_URI the cache is inside this process, and ends with it.

use std::time::{Duration, Instant};

use klg_lock::{Cache, Config};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

/// What stands for a slow database.
async fn load_user(id: u64) -> Result<User, std::io::Error> {
    sleep(Duration::from_millis(200)).await;
    println!("  loading user {id}");
    let name = "Ann".to_owned();
    Ok(User { id, name })
}

async fn find_user(cache: &Cache, id: u64) -> Result<User, std::io::Error> {
    let entry = cache
        .entry(format!("user:{id}"))
        .ttl(Duration::from_secs(60));
    entry.using(|| load_user(id)).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;
    let cache = registry.cache().named("users");

    for call in ["first", "second"] {
        let began = Instant::now();
        println!("{call} call");
        let user = find_user(&cache, 42).await?;
        println!("  {user:?} after {} ms", began.elapsed().as_millis());
    }

    println!("{}", cache.stats());
    registry.shutdown().await?;
    Ok(())
}
