//! Tags: entries that go together are evicted together, in one step, however many they are.
//!
//! Needs no server; with REDIS_URI set, the cache is on that Redis.

use klg_lock::{Cache, Config};

/// Says what it loads, and so what was not in the cache.
async fn price(cache: &Cache, article: &'static str, tag: &'static str) -> String {
    let entry = cache.entry(format!("price:{article}")).tags([tag]);
    let load = || async move {
        println!("  loading {article}");
        format!("price of {article}")
    };
    entry.using_value(load).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;
    let cache = registry.cache();
    let articles = [("apple", "fruit"), ("pear", "fruit"), ("nail", "tools")];

    for round in ["nothing is cached", "all is cached", "fruit was evicted"] {
        println!("{round}");
        if round == "fruit was evicted" {
            cache.evict_tag("fruit").await?;
        }
        for (article, tag) in articles {
            price(&cache, article, tag).await;
        }
    }

    cache.clear().await?;
    registry.shutdown().await?;
    Ok(())
}
