//! Locks and data on a Redis cluster. Each of these lines starts something; the last one makes the
//! three servers a cluster:
//!
//!     mkdir -p cluster/7001 cluster/7002 cluster/7003
//!     redis-server --port 7001 --cluster-enabled yes --dir cluster/7001 --daemonize yes
//!     redis-server --port 7002 --cluster-enabled yes --dir cluster/7002 --daemonize yes
//!     redis-server --port 7003 --cluster-enabled yes --dir cluster/7003 --daemonize yes
//!     redis-cli --cluster create 127.0.0.1:7001 127.0.0.1:7002 127.0.0.1:7003 --cluster-yes
//!
//! With REDIS_URI set, it is on that cluster.

use klg_lock::{Config, Error, LockError};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("redis+cluster://127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003");
    }
    config.redis.require_connection = true; // say at once what is wrong
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;

    registry.store().set("greeting", "hello").await?;
    println!("{:?}", registry.store().get::<String>("greeting").await?);

    let lock = registry.mutex().lock("invoice:42").acquire().await?;
    println!("locked: {}", lock.is_valid());
    lock.release().await?;

    // Several resources are one command, and so have to be in one slot.
    match registry.mutex().lock(["from:1", "to:2"]).acquire().await {
        Err(error @ LockError::InvalidKey { .. }) => println!("{error}"),
        other => println!("{other:?}"),
    }
    let lock = registry
        .mutex()
        .lock(["{bank}:1", "{bank}:2"])
        .acquire()
        .await?;
    println!(
        "locked together: {:?}",
        lock.resources().collect::<Vec<_>>()
    );
    lock.release().await?;

    registry.shutdown().await
}
