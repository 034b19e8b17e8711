//! W8: a thousand tasks of one process wait for a lock that somebody else holds.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use klg_lock::{Redlock, Retry};
use stats_alloc::Region;
use tokio::task::JoinSet;

use super::{Allocator, live, row};
use crate::Server;
use crate::machine::Pinning;
use crate::results::Row;
use crate::turns::progress;

const WAITERS: u32 = 1_000;
const WAIT: Duration = Duration::from_secs(10);

/// Lets them wait for ten seconds, then frees the key.
pub fn idle_waiters(allocator: &'static Allocator) -> Result<Vec<Row>> {
    progress("W8 idle waiters");
    let server = Server::start(Pinning::TwoCores)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let rows = runtime.block_on(async {
        let redlock = Redlock::builder()
            .nodes([server.uri()])
            .prefix("")
            .namespace("")
            .buffer(Retry::default())
            .connect()
            .await?;
        // Connected and warm before anything is counted.
        redlock.lock("warm").acquire().await?.release().await?;
        let () = server.ask(&["SET", "idle", "somebody else", "PX", "60000"])?;
        let monitor = server.monitor()?;
        let region = Region::new(allocator);
        let mut waiters = JoinSet::new();
        for _ in 0..WAITERS {
            let request = redlock.lock("idle");
            waiters.spawn(async move { request.acquire().await?.release().await });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let memory = live(&region) / f64::from(WAITERS);
        tokio::time::sleep(WAIT.saturating_sub(Duration::from_secs(1))).await;
        ensure!(
            waiters.try_join_next().is_none(),
            "somebody got a lock that was held"
        );
        let commands = monitor.end()?;
        let freed = Instant::now();
        let () = server.ask(&["DEL", "idle"])?;
        while let Some(waiter) = waiters.join_next().await {
            waiter??;
        }
        let served = freed.elapsed();
        redlock.shutdown().await;
        Ok::<_, anyhow::Error>([
            ("commands in 10 s", "", commands as f64),
            ("memory for each, its task included", "B", memory),
            ("all served after", "ms", served.as_secs_f64() * 1e3),
        ])
    })?;
    progress("\n");
    Ok(rows
        .into_iter()
        .map(|(metric, unit, value)| row("W8 1,000 idle waiters", metric, unit, value))
        .collect())
}
