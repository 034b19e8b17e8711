//! W10: what the attribute adds to calling `using` by hand, on a node in memory.

use std::time::{Duration, Instant};

use anyhow::Result;
use klg_lock::{Config, LockError, buffer_lock, registry};
use stats_alloc::Region;

use super::{Allocator, row};
use crate::results::{Row, median};
use crate::turns::progress;

const CALLS: u32 = 2_000;
const ROUNDS: u32 = 41;

struct Service;

impl Service {
    #[buffer_lock("attribute")]
    async fn plain(&self) -> Result<u32, LockError> {
        Ok(std::hint::black_box(7))
    }

    #[buffer_lock("attribute:{id}")]
    async fn with_key(&self, id: u32) -> Result<u32, LockError> {
        Ok(std::hint::black_box(id))
    }

    async fn by_hand(&self) -> Result<u32, LockError> {
        registry()?
            .buffer()
            .try_using("attribute", |_lock| async { Ok(std::hint::black_box(7)) })
            .await
    }

    async fn with_key_by_hand(&self, id: u32) -> Result<u32, LockError> {
        registry()?
            .buffer()
            .try_using(format!("attribute:{id}"), |_lock| async move {
                Ok(std::hint::black_box(id))
            })
            .await
    }
}

/// Calls the same function with the attribute and by hand in turn.
pub fn attribute(allocator: &'static Allocator) -> Result<Vec<Row>> {
    progress("W10 the attribute");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        klg_lock::init(Config::default().uri("memory://benchmarks")).await?;
        let service = Service;
        let plain = compare(
            allocator,
            async || service.plain().await,
            async || service.by_hand().await,
        );
        let (added, allocations, by_hand) = plain.await?;
        let keyed = compare(
            allocator,
            async || service.with_key(7).await,
            async || service.with_key_by_hand(7).await,
        );
        let (added_keyed, allocations_keyed, _) = keyed.await?;
        registry()?.shutdown().await?;
        progress("\n");
        let workload = "W10 what the attribute adds to `using`";
        Ok(vec![
            row(workload, "allocations, literal key", "", allocations),
            row(workload, "time, literal key", "µs", added),
            row(
                workload,
                "allocations, key with an argument",
                "",
                allocations_keyed,
            ),
            row(workload, "time, key with an argument", "µs", added_keyed),
            row(workload, "`using` by hand", "µs", by_hand),
        ])
    })
}

/// What a call of `one` costs more than one of `other`: microseconds and allocations; and what one
/// of `other` takes, in microseconds.
async fn compare(
    allocator: &'static Allocator,
    one: impl AsyncFn() -> Result<u32, LockError>,
    other: impl AsyncFn() -> Result<u32, LockError>,
) -> Result<(f64, f64, f64)> {
    let (mut times, mut allocations, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (first, first_allocations) = measure(allocator, &one).await?;
        let (second, second_allocations) = measure(allocator, &other).await?;
        if round > 0 {
            times.push((first.as_secs_f64() - second.as_secs_f64()) * 1e6);
            others.push(second.as_secs_f64() * 1e6);
            allocations.push(first_allocations - second_allocations);
        }
    }
    let middle = |values| median(values).unwrap_or_default();
    Ok((middle(times), middle(allocations), middle(others)))
}

async fn measure(
    allocator: &'static Allocator,
    call: &impl AsyncFn() -> Result<u32, LockError>,
) -> Result<(Duration, f64)> {
    let region = Region::new(allocator);
    let start = Instant::now();
    for _ in 0..CALLS {
        call().await?;
    }
    let time = start.elapsed() / CALLS;
    let change = region.change();
    let count = change.allocations as f64 + change.reallocations as f64;
    Ok((time, count / f64::from(CALLS)))
}
