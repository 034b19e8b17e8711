//! What small pieces of engine and cache take, without a network: `cargo bench -p
//! klg-lock-benchmarks --bench engine`. Criterion compares with the run before.

use anyhow::Result;
use criterion::{Criterion, Throughput};
use klg_lock_benchmarks::scenes::{PASSES, Scene};

fn main() -> Result<()> {
    let scene = Scene::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("acquire and release", |b| b.iter(|| scene.pair()));
    criterion.bench_function("using", |b| b.iter(|| scene.using()));
    criterion.bench_function("two resources", |b| b.iter(|| scene.two_keys()));
    criterion.bench_function("refused in the process", |b| b.iter(|| scene.refused()));
    criterion.bench_function("into the queue and out", |b| b.iter(|| scene.queue()));
    let mut group = criterion.benchmark_group("hand-over");
    group.throughput(Throughput::Elements(u64::from(PASSES)));
    group.bench_function("between two tasks", |b| b.iter(|| scene.hand_over()));
    group.finish();
    criterion.bench_function("cache, in the process", |b| {
        b.iter(|| scene.hit_in_process())
    });
    criterion.bench_function("cache, on the server", |b| b.iter(|| scene.hit_on_server()));
    criterion.final_summary();
    Ok(())
}
