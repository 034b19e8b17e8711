//! A process of an application that caches, for the tests that need more than one.
//!
//! * `cache_worker stampede <cache> <source> <callers> <load ms>`: at a line, as many callers as
//!   told ask for one key at once; each load adds one to `loads` on the source. Says `ready`, and
//!   then each caller's value.
//! * `cache_worker hang <cache> <source>`: loads the key of `stampede`, says `loading`, and never
//!   returns.
//! * `cache_worker read <cache> <source> <readers> <ms>`: as many readers as told ask for
//!   one key for as long as told; a load reads `truth` on the source, slowly and unevenly. Each answer
//!   is compared with `floor`, read before the question. Says `<answers> <stale ones> <loads>`.
//! * `cache_worker write <cache> <source> <ms>`: adds one to `truth`, evicts the key, raises
//!   `floor`, and begins again. Says `<writes>`.

use std::io::stdin;
use std::time::{Duration, Instant};

use klg_lock::{Cache, CacheConfig, Config, Registry};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["stampede", cache, source, callers, load] => {
            stampede(
                open(cache).await?,
                of(source).await?,
                callers.parse()?,
                millis(load)?,
            )
            .await
        }
        ["hang", cache, source] => hang(open(cache).await?, of(source).await?).await,
        ["read", cache, source, readers, time] => {
            read(
                open(cache).await?,
                of(source).await?,
                readers.parse()?,
                millis(time)?,
            )
            .await
        }
        ["write", cache, source, time] => {
            write(open(cache).await?, of(source).await?, millis(time)?).await
        }
        _ => Err(format!("not understood: {words:?}").into()),
    }
}

fn millis(word: &str) -> Result<Duration, Failure> {
    Ok(Duration::from_millis(word.parse()?))
}

async fn open(uri: &str) -> Result<Cache, Failure> {
    // On a busy machine an operation may well take longer than an application would wait.
    let cache = CacheConfig::default().timeout(Duration::from_secs(5));
    let config = Config::default().uri(uri).cache(cache);
    Ok(Registry::builder().config(config).build().await?.cache())
}

async fn of(uri: &str) -> Result<MultiplexedConnection, Failure> {
    let client = redis::Client::open(uri)?;
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client
        .get_multiplexed_async_connection_with_config(&config)
        .await?)
}

async fn stampede(
    cache: Cache,
    source: MultiplexedConnection,
    callers: u32,
    load: Duration,
) -> Result<(), Failure> {
    cache.get::<u64>("elsewhere").await?;
    println!("ready");
    stdin().read_line(&mut String::new())?;
    let calls = (0..callers).map(|_| {
        let mut source = source.clone();
        tokio::spawn(cache.using("hot", move || async move {
            tokio::time::sleep(load).await;
            source.incr::<_, _, u64>("loads", 1).await
        }))
    });
    for call in calls.collect::<Vec<_>>() {
        println!("{}", call.await??);
    }
    Ok(())
}

async fn hang(cache: Cache, mut source: MultiplexedConnection) -> Result<(), Failure> {
    let load = || async move {
        source.incr::<_, _, u64>("loads", 1).await?;
        println!("loading");
        std::future::pending::<Result<u64, redis::RedisError>>().await
    };
    cache.using("hot", load).await?;
    Ok(())
}

async fn read(
    cache: Cache,
    source: MultiplexedConnection,
    readers: u64,
    time: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + time;
    let tasks = (0..readers).map(|reader| {
        let (cache, mut source) = (cache.clone(), source.clone());
        tokio::spawn(async move {
            let (mut answers, mut stale) = (0_u64, 0_u64);
            while Instant::now() < end {
                let floor: u64 = source.get("floor").await?;
                let mut from = source.clone();
                // The read of the truth and its arrival lie far apart: the gap that late refills use.
                let load = || async move {
                    let truth = from.get::<_, u64>("truth").await;
                    tokio::time::sleep(Duration::from_millis((answers + reader) % 7)).await;
                    truth
                };
                let value = cache.using("contested", load).await?;
                answers += 1;
                stale += u64::from(value < floor);
            }
            Ok::<_, redis::RedisError>((answers, stale))
        })
    });
    let (mut answers, mut stale) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let (more, worse) = task.await??;
        answers += more;
        stale += worse;
    }
    let loads = cache.stats().of("default").map_or(0, |row| row.loads);
    println!("{answers} {stale} {loads}");
    Ok(())
}

async fn write(
    cache: Cache,
    mut source: MultiplexedConnection,
    time: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + time;
    let mut writes = 0_u64;
    while Instant::now() < end {
        let truth: u64 = source.incr("truth", 1).await?;
        cache.evict_strict("contested").await?;
        source.set::<_, _, ()>("floor", truth).await?;
        writes += 1;
        tokio::time::sleep(Duration::from_millis(writes % 6)).await;
    }
    println!("{writes}");
    Ok(())
}
