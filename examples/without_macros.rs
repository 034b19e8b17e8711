//! The same locks without attributes: a wrapper around a routine, or a guard.
//!
//! Needs no server; with REDIS_URI set, the locks are on that Redis.

use std::time::Duration;

use klg_lock::{Config, LockError};
use tokio::time::sleep;

/// An application's own error; one `?` serves both.
#[derive(Debug, thiserror::Error)]
enum AppError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("out of stock")]
    OutOfStock,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://");
    }
    klg_lock::init(config).await?;
    let registry = klg_lock::registry()?;

    println!("using: acquire, run, release");
    let sum = registry
        .mutex()
        .using("key1", |_lock| async { 1 + 1 })
        .await?;
    println!("  {sum}");

    println!("try_using: the routine has errors of its own, and options");
    let order = registry
        .buffer()
        .lock("key2")
        .ttl(Duration::from_secs(10))
        .wait(Duration::from_secs(3))
        .try_using(async |_lock| Err::<u32, _>(AppError::OutOfStock))
        .await;
    match order {
        Err(AppError::OutOfStock) => println!("  the routine's own error comes back"),
        other => println!("  {other:?}"),
    }

    println!("a guard, on two resources at once");
    let lock = registry.mutex().lock(["from:1", "to:2"]).acquire().await?;
    println!("  {:?}", lock.resources().collect::<Vec<_>>());
    lock.extend(Duration::from_secs(120)).await?;
    println!(
        "  extended, good for another {} s",
        lock.remaining().as_secs()
    );

    println!("a mutex does not wait, unless told to");
    match registry.mutex().lock("to:2").acquire().await {
        Err(LockError::Contended { resource, .. }) => println!("  {resource} is held"),
        other => println!("  {other:?}"),
    }
    let waiting = registry
        .mutex()
        .lock("to:2")
        .wait(Duration::from_millis(200))
        .acquire();
    match waiting.await {
        Err(LockError::Timeout { resource, .. }) => println!("  {resource} is still held"),
        other => println!("  {other:?}"),
    }
    drop(lock); // released in the background; `lock.release().await` tells how it went
    let _lock = registry.buffer().lock("to:2").acquire().await?;
    println!("  free, and locked again");

    println!("a routine that hears of the loss of its lock");
    let max_hold = Duration::from_millis(50);
    let done = registry
        .mutex()
        .lock("key3")
        .max_hold(max_hold)
        .using(|_lock| async {
            sleep(Duration::from_secs(1)).await; // dropped here, after 50 ms
        });
    match done.await {
        Err(LockError::Lost { resource, .. }) => println!("  {resource} was lost"),
        other => println!("  {other:?}"),
    }

    registry.shutdown().await?;
    Ok(())
}
