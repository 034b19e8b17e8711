//! A master that Sentinel watches over: locks and data follow it when it fails. These lines start a
//! master, its replica, and a Sentinel (in earnest: three of them, on three machines):
//!
//!     redis-server --port 7101 --daemonize yes
//!     redis-server --port 7102 --replicaof 127.0.0.1 7101 --daemonize yes
//!     echo 'sentinel monitor mymaster 127.0.0.1 7101 1' > sentinel.conf
//!     redis-server sentinel.conf --sentinel --port 7103 --daemonize yes
//!
//! With REDIS_URI set, it is on that: redis+sentinel://a,b,c/master-name.

use klg_lock::{Config, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("redis+sentinel://127.0.0.1:7103/mymaster");
    }
    config.redis.require_connection = true; // say at once what is wrong
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;

    registry.store().set("greeting", "hello").await?;
    println!("{:?}", registry.store().get::<String>("greeting").await?);

    // A replica that is promoted may not know of this lock yet: where that matters, use several
    // independent masters, or check the fencing token.
    let lock = registry.mutex().lock("invoice:42").acquire().await?;
    println!("locked: {}", lock.is_valid());
    lock.release().await?;

    registry.shutdown().await
}
