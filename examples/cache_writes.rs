//! What is cached follows what is written: a function that saves puts its result, one that deletes
//! evicts, one for several users loads the missing ones alone; and a cached value by hand.
//!
//! Needs no server; with REDIS_URI set, the cache is on that Redis.

use std::collections::HashMap;
use std::io;

use klg_lock::{Config, cache_evict, cache_put, cached, cached_many};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

impl User {
    /// Says what it loads, and so what was not in the cache.
    fn load(id: u64) -> Self {
        println!("  loading user {id}");
        let name = format!("user {id}");
        Self { id, name }
    }
}

struct Users;

impl Users {
    /// `entry` generates `Users::entry(id)`, by which one cached value is read, put, evicted and
    /// refreshed.
    #[cached("user:{id}", tags = ["users"], entry = entry)]
    async fn find(&self, id: u64) -> io::Result<User> {
        Ok(User::load(id))
    }

    #[cached_many("user:{id}", keys = ids, tags = ["users"])]
    async fn find_all(&self, ids: Vec<u64>) -> io::Result<HashMap<u64, User>> {
        Ok(ids.into_iter().map(|id| (id, User::load(id))).collect())
    }

    #[cache_put("user:{return.id}", tags = ["users"])]
    async fn create(&self, name: &str) -> io::Result<User> {
        let name = name.to_owned();
        Ok(User { id: 7, name })
    }

    #[cache_evict("user:{id}")]
    async fn delete(&self, id: u64) -> io::Result<()> {
        println!("  deleting user {id}");
        Ok(())
    }

    #[cache_evict(tag = "users")]
    async fn import(&self) -> io::Result<()> {
        println!("  importing users");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;

    println!("what was created is not loaded");
    Users.create("Zoe").await?;
    println!("  {:?}", Users.find(7).await?);

    println!("of several the missing ones are loaded");
    let found = Users.find_all(vec![7, 8, 9]).await?;
    println!(
        "  {}, {}, {}",
        found[&7].name, found[&8].name, found[&9].name
    );

    println!("what was deleted is loaded anew");
    Users.delete(8).await?;
    Users.find(8).await?;

    println!("by hand");
    let cached = Users::entry(9).get().await?;
    println!("  {cached:?}");
    Users::entry(9).refresh(|| Users.find(9)).await?;
    Users::entry(9).evict().await?;
    println!("  {:?}", Users::entry(9).get().await?);

    println!("all at once");
    Users.import().await?;
    println!("  {:?}", Users::entry(7).get().await?);

    let registry = klg_lock::registry()?;
    registry.cache().clear().await?;
    registry.shutdown().await?;
    Ok(())
}
