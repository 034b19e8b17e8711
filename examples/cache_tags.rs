//! Tags: entries that go together are evicted together, in one step, however many they are.
//!
//! Needs no server; with REDIS_URI set, the cache is on that Redis.

use klg_lock::{Config, cache_evict, cached};

/// Says what it loads, and so what was not in the cache.
#[cached("price:{article}", tags = ["{kind}"])]
async fn price(article: &str, kind: &str) -> String {
    println!("  loading {article}");
    format!("price of {article}, which is {kind}")
}

#[cache_evict(tag = "{kind}")]
async fn raise_prices(kind: &str, percent: u32) {
    println!("  {kind} + {percent} %");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let articles = [("apple", "fruit"), ("pear", "fruit"), ("nail", "tools")];

    for round in ["nothing is cached", "all is cached", "fruit is dearer"] {
        println!("{round}");
        if round == "fruit is dearer" {
            raise_prices("fruit", 5).await;
        }
        for (article, kind) in articles {
            price(article, kind).await;
        }
    }

    let registry = klg_lock::registry()?;
    registry.cache().clear().await?;
    registry.shutdown().await?;
    Ok(())
}
