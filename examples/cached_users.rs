//! A slow function under `#[cached]`: its second call comes from Redis. So does the first one when
//! the example is run again within a minute, with REDIS_URI set.
//!
//! Needs no server; without REDIS_URI the cache is inside this process, and ends with it.

use std::time::{Duration, Instant};

use klg_lock::{Config, cached};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[cached("user:{id}", ttl = "1m", name = "users")]
async fn find_user(id: u64) -> Result<User, std::io::Error> {
    sleep(Duration::from_millis(200)).await; // a slow database
    println!("  loading user {id}");
    let name = "Ann".to_owned();
    Ok(User { id, name })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;

    for call in ["first", "second"] {
        let began = Instant::now();
        println!("{call} call");
        let user = find_user(42).await?;
        println!("  {user:?} after {} ms", began.elapsed().as_millis());
    }

    let registry = klg_lock::registry()?;
    println!("{}", registry.cache().stats());
    registry.shutdown().await?;
    Ok(())
}
