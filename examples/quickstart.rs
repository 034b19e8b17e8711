//! Two attributes: `#[mutex_lock]` fails at once when somebody holds the lock, `#[buffer_lock]`
//! waits its turn.
//!
//! Needs no server; with REDIS_URI set, the locks are on that Redis.

use std::time::{Duration, Instant};

use klg_lock::{Config, LockError, buffer_lock, mutex_lock};
use tokio::{join, time::sleep};

struct UsersService;

struct Params {
    key: String,
}

impl UsersService {
    #[mutex_lock("key1")]
    async fn mutex(&self) -> Result<Vec<u32>, LockError> {
        find_all().await
    }

    #[buffer_lock("key2")]
    async fn buffer(&self) -> Result<Vec<u32>, LockError> {
        find_all().await
    }

    #[mutex_lock]
    async fn mutex_of(&self, #[lock_key("key")] params: Params) -> Result<String, LockError> {
        find_all().await?;
        Ok(params.key)
    }

    #[buffer_lock]
    async fn buffer_of(&self, #[lock_key("key")] params: Params) -> Result<String, LockError> {
        find_all().await?;
        Ok(params.key)
    }
}

/// What must not run twice at the same time.
async fn find_all() -> Result<Vec<u32>, LockError> {
    sleep(Duration::from_millis(100)).await;
    Ok(vec![1, 2, 3, 4, 5])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env()?;
    if std::env::var_os("REDIS_URI").is_none() {
        config = config.uri("memory://"); // a Redis node inside this process
    }
    klg_lock::init(config).await?;
    let users = &UsersService;

    println!("#[mutex_lock(\"key1\")]: one call runs, the others learn who holds the lock");
    three_at_once(|_| users.mutex()).await;

    println!("#[buffer_lock(\"key2\")]: all run, one after the other");
    three_at_once(|_| users.buffer()).await;

    println!("#[mutex_lock] .. #[lock_key(\"key\")] params: the lock is named by params.key");
    three_at_once(|_| users.mutex_of(params("apple"))).await;

    println!("#[buffer_lock] .. #[lock_key(\"key\")] params");
    three_at_once(|_| users.buffer_of(params("apple"))).await;

    println!("the same with three keys: none waits for another");
    three_at_once(|call| users.buffer_of(params(["apple", "pear", "plum"][call]))).await;

    klg_lock::registry()?.shutdown().await?;
    Ok(())
}

fn params(key: &str) -> Params {
    Params {
        key: key.to_owned(),
    }
}

/// Makes three calls at the same time, and shows how each ended, and when.
async fn three_at_once<T, F>(call: impl Fn(usize) -> F)
where
    T: std::fmt::Debug,
    F: Future<Output = Result<T, LockError>>,
{
    let began = Instant::now();
    let timed = async |number| {
        let result = call(number).await;
        (began.elapsed().as_millis(), result)
    };
    let (first, second, third) = join!(timed(0), timed(1), timed(2));
    for (number, (millis, result)) in [first, second, third].iter().enumerate() {
        match result {
            Ok(value) => println!("  call {}: {millis:>3} ms  Ok({value:?})", number + 1),
            Err(error) => println!("  call {}: {millis:>3} ms  {error}", number + 1),
        }
    }
    println!();
}
