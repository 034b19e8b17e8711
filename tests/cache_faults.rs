//! The cache never makes a working function fail, and never keeps it waiting for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use klg_lock::config::L1Config;
use klg_lock::{Cache, CacheConfig, CacheError, Config, Registry};
use klg_lock_tests::{Peer, Proxy, Server, Way};

const MS: Duration = Duration::from_millis(1);
const BUDGET: Duration = Duration::from_millis(100);

fn settings() -> CacheConfig {
    CacheConfig::default()
        .timeout(BUDGET)
        .breaker_failures(3_u32)
        .breaker_pause(MS * 300)
        .ttl_jitter(0.0)
        .beta(0.0)
}

async fn open(uri: &str, cache: CacheConfig) -> Registry {
    let config = Config::default().uri(uri).prefix("t_").cache(cache);
    Registry::builder().config(config).build().await.unwrap()
}

async fn cache(uri: &str) -> Cache {
    open(uri, settings()).await.cache()
}

/// Calls functions and explicit operations; every function returns what it would without a cache.
async fn everything_works(cache: &Cache, round: u32) {
    for call in 0..20 {
        let key = format!("k{}", call % 4);
        let fresh = round * 1000 + call;
        let plain: u32 = cache.using_value(&key, || async { fresh }).await;
        assert!(
            plain == fresh || plain / 1000 == round,
            "{plain} in round {round}"
        );
        let error: Result<u32, &str> = cache
            .using(format!("e{call}"), || async { Err("own") })
            .await;
        assert_eq!(error, Err("own"));
        let tagged = cache.entry(format!("t{round}{call}")).tags(["t"]);
        assert_eq!(tagged.using_value(|| async { fresh }).await, fresh);
        cache.evict(&key).await.unwrap();
        cache.put(&format!("p{call}"), &call).await.unwrap();
        cache.evict_tag("t").await.unwrap();
    }
}

/// Calls until one is answered by the cache again.
async fn recovers(cache: &Cache, key: &str) {
    let begun = Instant::now();
    let loads = AtomicU32::new(0);
    loop {
        let before = loads.load(Ordering::SeqCst);
        for _ in 0..2 {
            let load = || async { loads.fetch_add(1, Ordering::SeqCst) };
            cache.using_value(key, load).await;
        }
        if loads.load(Ordering::SeqCst) < before + 2 {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(15),
            "it never came back"
        );
        tokio::time::sleep(MS * 10).await;
    }
}

#[tokio::test]
async fn with_redis_killed_functions_run_and_the_return_is_noticed() {
    let server = Server::start();
    let cache = cache(&server.uri()).await;
    everything_works(&cache, 1).await;
    server.kill();
    everything_works(&cache, 2).await;
    server.restart();
    recovers(&cache, "back").await;
    everything_works(&cache, 3).await;
}

#[tokio::test]
async fn with_redis_hung_the_added_latency_is_its_budget_and_then_nothing() {
    let server = Server::start();
    let cache = cache(&server.uri()).await;
    everything_works(&cache, 1).await;
    server.pause();
    let mut waits = Vec::new();
    for call in 0..200 {
        let begun = Instant::now();
        let value: u32 = cache
            .using_value(format!("h{call}"), || async { call })
            .await;
        assert_eq!(value, call);
        waits.push(begun.elapsed());
    }
    waits.sort_unstable();
    let (median, most) = (waits[100], waits[199]);
    assert!(median < MS * 20, "left alone, it costs nothing: {median:?}");
    assert!(most < BUDGET * 3, "its budget bounds the rest: {most:?}");
    server.resume();
    recovers(&cache, "back").await;
}

#[tokio::test]
async fn with_redis_hung_callers_of_one_key_still_share_loads() {
    let server = Server::start();
    let cache = cache(&server.uri()).await;
    server.pause();
    let loads = Arc::new(AtomicU32::new(0));
    let calls = (0..200).map(|_| {
        let loads = loads.clone();
        tokio::spawn(cache.using_value("k", move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(MS * 50).await;
            7
        }))
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 7);
    }
    let loads = loads.load(Ordering::SeqCst);
    assert!(loads <= 3, "{loads} loads for 200 callers");
}

#[tokio::test]
async fn a_full_server_costs_the_caching_and_still_takes_evictions() {
    let server = Server::start();
    let cache = cache(&server.uri()).await;
    cache.put("k", &1_u32).await.unwrap();
    cache.entry("tagged").tags(["t"]).put(&1_u32).await.unwrap();
    server
        .control()
        .ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let hit: u32 = cache.using_value("k", || async { 2 }).await;
    assert_eq!(hit, 1, "reads are answered");
    cache.evict_strict("k").await.unwrap();
    cache.evict_tag_strict("t").await.unwrap();
    assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
    assert_eq!(cache.get::<u32>("tagged").await.unwrap(), None);
    everything_works(&cache, 2).await;
    server
        .control()
        .ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    recovers(&cache, "back").await;
}

#[tokio::test]
async fn a_read_only_replica_costs_the_caching() {
    let (master, replica) = (Server::start(), Server::start());
    let cache = cache(&replica.uri()).await;
    everything_works(&cache, 1).await;
    // It was the master until now: one that is none from the start is refused at start-up.
    let port = master.port().to_string();
    let mut control = replica.control();
    control.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    everything_works(&cache, 2).await;
    control.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    recovers(&cache, "back").await;
}

#[tokio::test]
async fn what_is_no_redis_costs_the_caching() {
    for peer in [
        Peer::silent(),
        Peer::closing(),
        Peer::greeting("SSH-2.0-OpenSSH\r\n"),
        Peer::answering("HTTP/1.1 400 Bad Request\r\n\r\n"),
        Peer::answering("+OK\r\n"),
        Peer::answering("*-7\r\n$99999999999\r\n"),
    ] {
        let config = Config::default().uri(peer.uri()).cache(settings());
        // Some of them are told apart at start-up, which is as good.
        let Ok(registry) = Registry::builder().config(config).build().await else {
            continue;
        };
        everything_works(&registry.cache(), 1).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_entry_are_misses_and_are_replaced() {
    let server = Server::start();
    let cache = cache(&server.uri()).await;
    cache.entry("k").tags(["t"]).put(&1_u32).await.unwrap();
    let good: Vec<u8> = server.control().ask(&["GET", "t_cache:k"]);
    let mut flipped = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xFF;
        server
            .control()
            .ask_bytes::<()>(&[b"SET", b"t_cache:k", &bad, b"PX", b"60000"]);
        let entry = || cache.entry("k").tags(["t"]).load_timeout(MS * 200);
        let value: u32 = entry().using_value(|| async { 2 }).await;
        // A flip may hit what is no part of the value; it must not hit the caller.
        flipped += u32::from(value == 2);
    }
    assert!(flipped > 40, "{flipped}");
    for cut in 0..good.len() {
        server
            .control()
            .ask_bytes::<()>(&[b"SET", b"t_cache:k", &good[..cut], b"PX", b"60000"]);
        let entry = || cache.entry("k").tags(["t"]);
        assert_eq!(entry().using_value(|| async { 2_u32 }).await, 2);
        assert_eq!(entry().using_value(|| async { 3_u32 }).await, 2);
    }
}

#[tokio::test]
async fn an_eviction_that_redis_did_not_take_is_repeated_until_it_is() {
    let server = Server::with().durable().start();
    let proxy = Proxy::to(server.address());
    let cache = cache(&proxy.uri()).await;
    cache.put("k", &1_u32).await.unwrap();
    cache.put("p", &1_u32).await.unwrap();
    cache.entry("t").tags(["tag"]).put(&1_u32).await.unwrap();
    proxy.refuse();
    cache.evict("k").await.unwrap();
    cache.put("p", &2_u32).await.unwrap();
    cache.evict_tag("tag").await.unwrap();
    let strict = cache.evict_strict("k").await;
    assert!(
        matches!(strict, Err(CacheError::Unavailable { .. })),
        "{strict:?}"
    );
    let there: bool = server.control().ask(&["EXISTS", "t_cache:k"]);
    assert!(there, "the server has not heard of it");
    proxy.accept();
    // From the first moment on, this process does not see what it has evicted.
    for _ in 0..50 {
        let value: u32 = cache.using_value("k", || async { 2 }).await;
        assert_eq!(value, 2);
        let value: u32 = cache.using_value("p", || async { 2 }).await;
        assert_eq!(value, 2);
        let tagged = cache.entry("t").tags(["tag"]);
        assert_eq!(tagged.using_value(|| async { 2_u32 }).await, 2);
        tokio::time::sleep(MS * 5).await;
    }
    let begun = Instant::now();
    let old = |value: Option<Option<u32>>| value.flatten() == Some(1);
    loop {
        let seen = [
            cache.get::<u32>("k").await.ok(),
            cache.get::<u32>("p").await.ok(),
            cache.get::<u32>("t").await.ok(),
        ];
        if seen.iter().all(Option::is_some) {
            assert!(!seen.into_iter().any(old), "{seen:?}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(MS * 5).await;
    }
    // Another process agrees.
    let other = open(&server.uri(), settings()).await.cache();
    let begun = Instant::now();
    while old(other.get::<u32>("k").await.ok()) || old(other.get::<u32>("p").await.ok()) {
        assert!(begun.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(MS * 5).await;
    }
}

#[tokio::test]
async fn a_stalled_reply_costs_the_budget_and_the_next_call_is_answered() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let registry = open(
        &proxy.uri(),
        settings().l1(L1Config::default().enabled(true)),
    )
    .await;
    let cache = registry.cache();
    cache.put("k", &1_u32).await.unwrap();
    proxy.hold(Way::Replies);
    let begun = Instant::now();
    assert_eq!(cache.using_value("other", || async { 2_u32 }).await, 2);
    assert!(begun.elapsed() < BUDGET * 4, "{:?}", begun.elapsed());
    proxy.pass();
    recovers(&cache, "back").await;
}
