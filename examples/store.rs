//! The key-value store: every key gets the client's prefix on the wire, and never shows it here.
//!
//! Needs no server; with REDIS_URI set, it is on that Redis.

use std::time::Duration;

use klg_lock::store::Json;
use klg_lock::{Config, Error};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let store = klg_lock::registry()?.store();

    store.set_ex("kk", "vvv", Duration::from_secs(60)).await?;
    let value: Option<String> = store.get("kk").await?;
    println!("kk is {value:?}");

    let ann = User {
        name: "Ann".to_owned(),
        age: 40,
    };
    store.set_json("user:1", &ann).await?;
    let user: Option<User> = store.get_json("user:1").await?;
    println!("user:1 is {user:?}");

    println!("visits: {}", store.incr("visits").await?);
    println!("visits: {}", store.incr("visits").await?);

    store.hset("cart", "apples", 3).await?;
    store.hset("cart", "pears", Json([1, 2])).await?;
    println!("apples: {:?}", store.hget::<u32>("cart", "apples").await?);

    // Several commands in one round trip.
    let pipeline = store
        .pipeline()
        .sadd("tags", "red")
        .sadd("tags", "blue")
        .scard("tags");
    let (_, _, tags): (bool, bool, u64) = pipeline.run().await?;
    println!("{tags} tags");

    // Another type than was asked for is an error that says so.
    if let Err(error) = store.get::<String>("cart").await {
        println!("{error}");
    }

    // Everything else the `redis` crate can do; the prefix is up to you there.
    let mut connection = store.connection();
    let key = format!("{}kk", store.prefix());
    let length: u64 = klg_lock::redis::cmd("STRLEN")
        .arg(key)
        .query_async(&mut connection)
        .await
        .unwrap_or_default();
    println!("kk has {length} bytes");

    store
        .del_many(&["kk", "user:1", "visits", "cart", "tags"])
        .await?;
    klg_lock::registry()?.shutdown().await
}
