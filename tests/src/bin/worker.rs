//! A process of an application that takes locks, for the tests that need more than one.
//!
//! * `worker hold <node,node,..> <resource> <ttl ms>`: acquires, says `held <token>`, and obeys
//!   lines: `check` is answered by `valid` or `lost`, `release` by `released` or the error, the end
//!   of input ends the process without a release.
//! * `worker count <node,node,..> <resource> <uri> <tasks> <rounds>`: as many tasks as told add one
//!   to the number under the key `counter` of another server, as often as told, by reading and
//!   writing it; each time under the lock, and each time it says `<token> <number written>`.

use std::io::{BufRead, stdin};
use std::time::Duration;

use klg_lock::{Redlock, Retry};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["hold", nodes, resource, ttl] => hold(nodes, resource, ttl.parse()?).await,
        ["count", nodes, resource, uri, tasks, rounds] => {
            count(nodes, resource, uri, tasks.parse()?, rounds.parse()?).await
        }
        _ => Err(format!("not understood: {words:?}").into()),
    }
}

async fn engine(nodes: &str) -> Result<Redlock, Failure> {
    let builder = Redlock::builder().nodes(nodes.split(','));
    Ok(builder.buffer(Retry::default()).connect().await?)
}

async fn hold(nodes: &str, resource: &str, ttl: u64) -> Result<(), Failure> {
    let engine = engine(nodes).await?;
    let request = engine.lock(resource).ttl(Duration::from_millis(ttl));
    let lock = request.acquire().await?;
    println!("held {}", lock.fencing_token());
    // Lines are read on a thread of their own, so that the lock is extended meanwhile.
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        match line.as_str() {
            "check" if lock.is_valid() => println!("valid"),
            "check" => println!("lost"),
            "release" => {
                match lock.release().await {
                    Ok(()) => println!("released"),
                    Err(error) => println!("{error}"),
                }
                return Ok(());
            }
            _ => return Err(format!("not understood: {line}").into()),
        }
    }
    std::process::exit(0);
}

async fn count(
    nodes: &str,
    resource: &str,
    uri: &str,
    tasks: u32,
    rounds: u32,
) -> Result<(), Failure> {
    let engine = engine(nodes).await?;
    let data = redis::Client::open(uri)?;
    let data = data.get_multiplexed_async_connection().await?;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let (engine, mut data, resource) = (engine.clone(), data.clone(), resource.to_owned());
        running.spawn(async move {
            for _ in 0..rounds {
                let adding = engine.using(&resource, async |lock| {
                    let seen: Option<u64> = redis::cmd("GET")
                        .arg("counter")
                        .query_async(&mut data)
                        .await?;
                    let next = seen.unwrap_or(0) + 1;
                    redis::cmd("SET")
                        .arg("counter")
                        .arg(next)
                        .exec_async(&mut data)
                        .await?;
                    println!("{} {next}", lock.fencing_token());
                    Ok::<(), Failure>(())
                });
                adding.await??;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    engine.shutdown().await;
    Ok(())
}
