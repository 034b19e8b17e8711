//! Late refills at every interleaving: simulated processes on a server in memory, whose network
//! delays, loses and repeats commands, from a seed.
//!
//! Each run is judged by one rule: an answer to a question that was asked after an eviction was
//! confirmed is no older than what the source held at that eviction.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use klg_lock::config::L1Config;
use klg_lock::testing::MemoryServer;
use klg_lock::{Cache, CacheConfig, Config, NodeErrorKind, Registry};
use tokio::task::LocalSet;

const MS: Duration = Duration::from_millis(1);

/// What the network may do in a run.
#[derive(Clone, Copy, Debug)]
enum Weather {
    /// Commands and answers take their time.
    Delays,
    /// Some of them are lost, or carried out twice, as well.
    Losses,
    /// The server is away now and then, too.
    Outages,
}

/// A small generator of its own, so that a seed is a run for ever.
#[derive(Clone)]
struct Dice(Rc<Cell<u64>>);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        x % bound
    }

    fn millis(&self, bound: u64) -> Duration {
        MS * u32::try_from(self.below(bound)).unwrap()
    }
}

#[derive(Debug, Default)]
struct Outcome {
    answers: u64,
    hits: u64,
    evictions: u64,
    discarded: u64,
    stale: Vec<String>,
}

/// What the processes of one run share: the source, and the version every later answer must reach.
#[derive(Clone, Default)]
struct World {
    truth: Rc<Cell<u64>>,
    floor: Rc<Cell<u64>>,
    outcome: Rc<std::cell::RefCell<Outcome>>,
}

async fn process(name: &str, l1: bool) -> Cache {
    let cache = CacheConfig::default()
        .ttl(Duration::from_millis(400))
        .stale(Duration::from_millis(300))
        .timeout(MS * 60)
        .load_timeout(MS * 500)
        .breaker_failures(4_u32)
        .breaker_pause(MS * 100)
        .l1(L1Config::default().enabled(l1));
    let config = Config::default()
        .uri(format!("memory://{name}"))
        .cache(cache);
    let registry = Registry::builder().config(config).build().await.unwrap();
    registry.cache()
}

async fn read(cache: Cache, world: World, dice: Dice, tagged: bool, calls: u32) {
    for _ in 0..calls {
        tokio::time::sleep(dice.millis(30)).await;
        let floor = world.floor.get();
        let truth = world.truth.clone();
        let (before, after) = (dice.millis(20), dice.millis(60));
        let load = || async move {
            tokio::time::sleep(before).await;
            let value = truth.get();
            tokio::time::sleep(after).await;
            value
        };
        let entry = cache
            .entry("k")
            .tags(if tagged { &["t"][..] } else { &[] }.iter().copied());
        let value = entry.using_value(load).await;
        let mut outcome = world.outcome.borrow_mut();
        outcome.answers += 1;
        if value < floor {
            outcome
                .stale
                .push(format!("{value} after {floor} was confirmed"));
        }
    }
}

async fn write(cache: Cache, world: World, dice: Dice, tagged: bool, writes: u32) {
    for _ in 0..writes {
        tokio::time::sleep(dice.millis(80)).await;
        let value = world.truth.get() + 1;
        world.truth.set(value);
        let evicted = match (tagged, dice.below(2)) {
            (true, 0) => cache.evict_tag_strict("t").await,
            _ => cache.evict_strict("k").await,
        };
        if evicted.is_ok() {
            world.floor.set(value.max(world.floor.get()));
            world.outcome.borrow_mut().evictions += 1;
        }
    }
}

async fn run(seed: u64, weather: Weather, l1: bool, tagged: bool) -> Outcome {
    let name = format!("cache-simulation-{weather:?}-{l1}-{tagged}-{seed}");
    let server = MemoryServer::named(&name);
    server.seed(seed);
    let dice = Dice(Rc::new(Cell::new(
        seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
    )));
    let world = World::default();
    let mut caches = Vec::new();
    for _ in 0..3 {
        caches.push(process(&name, l1).await);
    }
    server.delay_requests(Duration::ZERO..=MS * 12);
    server.delay_replies(Duration::ZERO..=MS * 12);
    if !matches!(weather, Weather::Delays) {
        server.lose_requests(0.03);
        server.lose_replies(0.03);
        server.duplicate_requests(0.05);
    }
    let mut tasks = Vec::new();
    for cache in &caches {
        for _ in 0..3 {
            let reader = read(cache.clone(), world.clone(), dice.clone(), tagged, 30);
            tasks.push(tokio::task::spawn_local(reader));
        }
        let writer = write(cache.clone(), world.clone(), dice.clone(), tagged, 8);
        tasks.push(tokio::task::spawn_local(writer));
    }
    if matches!(weather, Weather::Outages) {
        let (server, dice) = (server.clone(), dice.clone());
        tasks.push(tokio::task::spawn_local(async move {
            for _ in 0..4 {
                tokio::time::sleep(dice.millis(250)).await;
                match dice.below(2) {
                    0 => server.hang(),
                    _ => server.fail(NodeErrorKind::Unreachable),
                }
                tokio::time::sleep(dice.millis(200)).await;
                server.recover();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut outcome = world.outcome.take();
    for cache in &caches {
        for row in cache.stats().rows {
            outcome.hits += row.l1_hits + row.l2_hits + row.shared;
            outcome.discarded += row.discarded;
        }
    }
    outcome
}

/// Runs seeds, and says which one failed and how.
fn simulate(weather: Weather, l1: bool, tagged: bool) {
    let seeds = std::env::var("KLG_CACHE_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok());
    let (mut answers, mut hits, mut evictions, mut discarded) = (0, 0, 0, 0);
    for seed in 0..seeds.unwrap_or(40_u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let outcome = LocalSet::new().block_on(&runtime, run(seed, weather, l1, tagged));
        assert!(
            outcome.stale.is_empty(),
            "seed {seed}, {weather:?}: {:?}",
            outcome.stale
        );
        answers += outcome.answers;
        hits += outcome.hits;
        evictions += outcome.evictions;
        discarded += outcome.discarded;
    }
    // A cache that never hits would pass; so would one that is never raced.
    assert!(hits * 5 > answers, "{hits} hits of {answers} answers");
    assert!(
        evictions > 0 && discarded > 0,
        "{evictions} evictions, {discarded} late refills"
    );
}

#[test]
fn no_late_refill_where_the_network_is_slow() {
    simulate(Weather::Delays, false, false);
}

#[test]
fn no_late_refill_of_tagged_values() {
    simulate(Weather::Delays, false, true);
}

#[test]
fn no_late_refill_where_the_network_loses_and_repeats() {
    simulate(Weather::Losses, false, false);
}

#[test]
fn no_late_refill_of_tagged_values_where_the_network_loses_and_repeats() {
    simulate(Weather::Losses, false, true);
}

#[test]
fn no_late_refill_around_outages() {
    simulate(Weather::Outages, false, true);
}

#[test]
fn no_late_refill_into_the_process() {
    simulate(Weather::Delays, true, true);
}
