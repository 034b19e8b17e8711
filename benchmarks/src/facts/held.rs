//! W9: a hundred thousand locks held and kept alive.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use klg_lock::{Lock, Redlock, Retry};
use stats_alloc::Region;

use super::{Allocator, live, row};
use crate::Server;
use crate::machine::{Pinning, processor_time};
use crate::results::Row;
use crate::turns::progress;

const LOCKS: u32 = 100_000;
const TTL: Duration = Duration::from_secs(30);

/// Takes them all, watches them through their extensions, releases them.
pub fn held_locks(allocator: &'static Allocator, quick: bool) -> Result<Vec<Row>> {
    progress("W9 held locks");
    // A third of the TTL is one cycle.
    let watched = TTL.mul_f64(if quick { 0.4 } else { 1.5 });
    let server = Server::start(Pinning::TwoCores)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let rows = runtime.block_on(async {
        let redlock = Redlock::builder()
            .nodes([server.uri()])
            .ttl(TTL)
            .prefix("")
            .namespace("")
            .buffer(Retry::default())
            .connect()
            .await?;
        redlock.lock("warm").acquire().await?.release().await?;
        let metrics = tokio::runtime::Handle::current().metrics();
        let tasks_before = metrics.num_alive_tasks();
        let mut locks: Vec<Lock> = Vec::with_capacity(usize::try_from(LOCKS)?);
        let region = Region::new(allocator);
        let begun = Instant::now();
        let mut acquiring = stream::iter(0..LOCKS)
            .map(|number| redlock.lock(format!("held:{number}")).acquire())
            .buffer_unordered(64);
        while let Some(lock) = acquiring.try_next().await? {
            locks.push(lock);
        }
        drop(acquiring);
        let taken = begun.elapsed();
        let memory = live(&region) / f64::from(LOCKS);
        let tasks = metrics.num_alive_tasks().saturating_sub(tasks_before);
        let (client, servers) = (processor_time(std::process::id()), server.processor_time());
        let extended = server.scripts()?;
        let begun = Instant::now();
        // Due when a third of the validity is over, a little earlier at random; what is left then
        // never falls below two thirds of it, unless an extension is late.
        let validity = TTL - TTL.mul_f64(0.01) - Duration::from_millis(2);
        let mut least = TTL;
        while begun.elapsed() < watched {
            let shortest = locks.iter().map(|lock| lock.remaining()).min();
            least = least.min(shortest.context("no lock")?);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let late = (validity.mul_f64(2.0 / 3.0)).saturating_sub(least);
        let client = (processor_time(std::process::id()) - client) as f64 / 1e9 / seconds;
        let servers = (server.processor_time() - servers) as f64 / 1e9 / seconds;
        let extended = (server.scripts()? - extended) as f64 / seconds;
        let kept = locks.iter().filter(|lock| lock.is_valid()).count();
        ensure!(
            kept == locks.len(),
            "{} locks were lost",
            locks.len() - kept
        );
        let begun = Instant::now();
        stream::iter(locks)
            .map(Lock::release)
            .buffer_unordered(64)
            .try_collect::<()>()
            .await?;
        let released = begun.elapsed();
        let left = server.keys()?.len();
        redlock.shutdown().await;
        Ok::<_, anyhow::Error>([
            ("memory for each", "B", memory),
            ("tasks they add", "", tasks as f64),
            ("taken in", "s", taken.as_secs_f64()),
            ("extensions", "/s", extended),
            ("extension late by at most", "s", late.as_secs_f64()),
            ("client CPU", "cores", client),
            ("server CPU", "cores", servers),
            ("released in", "s", released.as_secs_f64()),
            ("keys left behind", "", left as f64),
        ])
    })?;
    progress("\n");
    Ok(rows
        .into_iter()
        .map(|(metric, unit, value)| row("W9 100,000 held locks, ttl 30 s", metric, unit, value))
        .collect())
}
