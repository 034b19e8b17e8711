//! Values kept in the process follow every change of their key, by whomever, and end with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use klg_lock::config::L1Config;
use klg_lock::testing::MemoryServer;
use klg_lock::{Cache, CacheConfig, Config, Registry};
use klg_lock_tests::{Proxy, Server, Way};

const MS: Duration = Duration::from_millis(1);
/// A busy machine is slow; a lost invalidation is for as long as L1 keeps a value.
const PATIENCE: Duration = Duration::from_secs(10);

fn settings() -> CacheConfig {
    CacheConfig::default()
        .timeout(Duration::from_secs(5))
        .ttl_jitter(0.0)
        .beta(0.0)
        // Longer than any test: what ends a value here is an invalidation.
        .l1(L1Config::default()
            .enabled(true)
            .ttl(Duration::from_secs(600)))
}

async fn open(uri: &str, cache: CacheConfig) -> Cache {
    let config = Config::default().uri(uri).prefix("t_").cache(cache);
    let registry = Registry::builder().config(config).build().await.unwrap();
    registry.cache()
}

fn hits(cache: &Cache) -> u64 {
    cache.stats().of("default").unwrap().l1_hits
}

/// Asks until the answer comes from this process.
async fn warm(cache: &Cache, key: &str, load: u32) -> u32 {
    let begun = Instant::now();
    loop {
        let before = hits(cache);
        let value = cache.using_value(key, || async { load }).await;
        if hits(cache) > before {
            return value;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{key} is never kept in the process"
        );
        tokio::time::sleep(MS).await;
    }
}

/// Asks until the answer is `new`, and no longer `old`; how long that took.
async fn follows(cache: &Cache, key: &str, old: u32, new: u32) -> Duration {
    let begun = Instant::now();
    loop {
        let value: u32 = cache.using_value(key, || async { new }).await;
        if value == new {
            return begun.elapsed();
        }
        assert_eq!(value, old);
        assert!(begun.elapsed() < PATIENCE, "{key} is {old} for ever");
        tokio::time::sleep(MS / 4).await;
    }
}

#[tokio::test]
async fn a_value_in_the_process_needs_no_server() {
    let server = Server::start();
    let cache = open(&server.uri(), settings()).await;
    assert_eq!(warm(&cache, "k", 1).await, 1);
    server.control().forget_calls();
    for _ in 0..100 {
        assert_eq!(cache.using_value("k", || async { 2_u32 }).await, 1);
    }
    assert_eq!(server.control().calls_of("get"), 0);
    let without = cache.entry("k").l1(false);
    assert_eq!(without.using_value(|| async { 2_u32 }).await, 1);
    assert_eq!(server.control().calls_of("get"), 1);
}

#[tokio::test]
async fn it_follows_evictions_puts_and_tags_of_other_processes() {
    let server = Server::start();
    let cache = open(&server.uri(), settings()).await;
    let other = open(&server.uri(), settings()).await;
    let mut delays = Vec::new();
    for round in 0..100_u32 {
        assert_eq!(warm(&cache, "k", round).await, round);
        match round % 2 {
            0 => other.evict("k").await.unwrap(),
            _ => other.put("k", &(round + 1)).await.unwrap(),
        }
        delays.push(follows(&cache, "k", round, round + 1).await);
    }
    delays.sort_unstable();
    println!(
        "another process's L1 follows within {:?} (median), {:?} (most)",
        delays[50], delays[99]
    );

    let tagged = |load: u32| {
        let entry = cache.entry("tagged").tags(["t"]);
        entry.using_value(move || async move { load })
    };
    for round in 0..20_u32 {
        let begun = Instant::now();
        loop {
            let before = hits(&cache);
            assert_eq!(tagged(round).await, round);
            if hits(&cache) > before {
                break;
            }
            assert!(begun.elapsed() < PATIENCE);
        }
        other.evict_tag("t").await.unwrap();
        let begun = Instant::now();
        while tagged(round + 1).await != round + 1 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(MS).await;
        }
    }
}

#[tokio::test]
async fn it_follows_changes_by_hand() {
    let server = Server::start();
    let cache = open(&server.uri(), settings()).await;
    let mut control = server.control();
    for round in 0..20 {
        assert_eq!(warm(&cache, "k", round).await, round);
        match round % 3 {
            0 => assert!(control.delete("t_cache:k")),
            1 => control.flush_all(),
            _ => control.ask::<()>(&["SET", "t_cache:k", "scribble"]),
        }
        follows(&cache, "k", round, round + 1).await;
    }
}

#[tokio::test]
async fn it_ends_with_the_entry_though_expiry_is_announced_late() {
    let server = Server::start();
    // Redis looks for expired keys by itself no more: nothing announces the expiry.
    server
        .control()
        .ask::<()>(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let cache = open(&server.uri(), settings()).await;
    let entry = || cache.entry("k").ttl(MS * 400);
    let begun = Instant::now();
    assert_eq!(entry().using_value(|| async { 1_u32 }).await, 1);
    assert_eq!(entry().using_value(|| async { 2_u32 }).await, 1);
    while entry().using_value(|| async { 2_u32 }).await == 1 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(MS * 5).await;
    }
    assert!(begun.elapsed() >= MS * 395, "{:?}", begun.elapsed());
    assert!(hits(&cache) > 10);
}

#[tokio::test]
async fn a_lost_connection_empties_it_before_the_next_read() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let cache = open(&proxy.uri(), settings()).await;
    let other = open(&server.uri(), settings()).await;
    for round in 0..5 {
        assert_eq!(warm(&cache, "k", round).await, round);
        proxy.refuse();
        // A write that nobody announces to this process.
        other.put("k", &(round + 1)).await.unwrap();
        proxy.accept();
        follows(&cache, "k", round, round + 1).await;
        other.put("k", &(round + 1)).await.unwrap();
    }
}

#[tokio::test]
async fn an_invalidation_that_overtakes_the_reply_is_not_lost() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let cache = open(&proxy.uri(), settings()).await;
    let other = open(&server.uri(), settings()).await;
    for round in 0..20_u32 {
        other.put("k", &round).await.unwrap();
        // Replies arrive late, so that the eviction happens while one is on its way.
        proxy.delay(Way::Replies, MS * 20);
        let reading = tokio::spawn(cache.using_value("k", move || async move { round + 1 }));
        tokio::time::sleep(MS * 10).await;
        other.evict("k").await.unwrap();
        reading.await.unwrap();
        proxy.pass();
        follows(&cache, "k", round, round + 1).await;
        other.evict("k").await.unwrap();
    }
}

/// Readers that race a writer on one key. After each write there is a pause, and then nobody may
/// have the old value: the count of stale rounds has to be zero.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_race_a_writer_are_left_with_no_old_value() {
    let server = Server::start();
    let reader = open(&server.uri(), settings()).await;
    let writer = open(&server.uri(), settings()).await;
    let truth = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let pause = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (cache, truth) = (reader.clone(), truth.clone());
            let (stop, pause) = (stop.clone(), pause.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    if pause.load(Ordering::SeqCst) {
                        tokio::time::sleep(MS).await;
                        continue;
                    }
                    let truth = truth.clone();
                    let load = move || async move {
                        let read = truth.load(Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        read
                    };
                    cache.using_value("k", load).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let rounds = std::env::var("KLG_CACHE_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok());
    let rounds = rounds.unwrap_or(300_u32);
    let mut stale = 0;
    for round in 0..rounds {
        tokio::time::sleep(MS).await;
        let value = truth.fetch_add(1, Ordering::SeqCst) + 1;
        if round % 2 == 0 {
            writer.evict_strict("k").await.unwrap();
        } else {
            writer.put("k", &value).await.unwrap();
        }
        pause.store(true, Ordering::SeqCst);
        tokio::time::sleep(MS * 3).await;
        let seen = reader.using_value("k", || async { value }).await;
        if seen != value {
            // On a busy machine the push may take longer than the pause; it must not be lost.
            tokio::time::sleep(MS * 200).await;
            let again = reader.using_value("k", || async { value }).await;
            stale += u32::from(again != value);
        }
        pause.store(false, Ordering::SeqCst);
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    let row = reader.stats().rows.remove(0);
    assert_eq!(stale, 0, "of {rounds} rounds; {row:?}");
    assert!(row.l1_hits > 1_000, "the race is about L1: {row:?}");
}

#[tokio::test]
async fn in_memory_a_broken_connection_empties_it_too() {
    let server = MemoryServer::named("cache-l1-broken");
    let cache = open(&server.uri(), settings()).await;
    let loads = AtomicU32::new(0);
    let call = || cache.using_value("k", || async { loads.fetch_add(1, Ordering::SeqCst) });
    for _ in 0..3 {
        assert_eq!(call().await, 0);
    }
    assert_eq!(hits(&cache), 1);
    server.fail(klg_lock::NodeErrorKind::Unreachable);
    assert_eq!(call().await, 1, "neither the process nor the server has it");
    assert_eq!(hits(&cache), 1);
    server.recover();
    for _ in 0..3 {
        assert_eq!(call().await, 0, "the server still has it");
    }
    assert_eq!(hits(&cache), 3);
    assert!(server.delete("t_cache:k"));
    assert_eq!(call().await, 2, "announced again after the recovery");
}

#[tokio::test]
async fn where_changes_are_not_announced_nothing_is_kept() {
    let server = Server::with()
        .user("app", "on >pw ~* &* +@all -client|tracking")
        .start();
    let cache = open(&server.uri_as("app", "pw"), settings()).await;
    for _ in 0..5 {
        assert_eq!(cache.using_value("k", || async { 1_u32 }).await, 1);
    }
    assert_eq!(hits(&cache), 0);
    let resp2 = format!("{}?protocol=resp2", server.uri());
    let cache = open(&resp2, settings()).await;
    for _ in 0..5 {
        assert_eq!(cache.using_value("k", || async { 1_u32 }).await, 1);
    }
    assert_eq!(hits(&cache), 0);
}
