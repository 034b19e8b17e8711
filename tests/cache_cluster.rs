//! The cache on a real cluster: values in the process follow the changes of keys on every master, and
//! whoever waits for another process's load is woken.

use std::time::{Duration, Instant};

use klg_lock::config::L1Config;
use klg_lock::{Cache, CacheConfig, Config, Registry};
use klg_lock_tests::Cluster;

const MS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(20);

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

async fn open(cluster: &Cluster) -> Cache {
    let config = Config::default().uri(cluster.uri()).prefix("t_");
    let config = config.cache(settings());
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

/// Asks until the answer is `new`, and no longer `old`.
async fn follows(cache: &Cache, key: &str, old: u32, new: u32) {
    let begun = Instant::now();
    loop {
        let value: u32 = cache.using_value(key, || async { new }).await;
        if value == new {
            return;
        }
        assert_eq!(value, old);
        assert!(begun.elapsed() < PATIENCE, "{key} is {old} for ever");
        tokio::time::sleep(MS / 4).await;
    }
}

fn slot(cluster: &Cluster, key: &str) -> u16 {
    cluster.slot(&format!("t_cache:{key}"))
}

/// One key for each master.
fn one_key_each(cluster: &Cluster) -> [String; 3] {
    [0, 1, 2].map(|master| {
        (0..)
            .map(|number| format!("k{number}"))
            .find(|key| cluster.owner(slot(cluster, key)) == master)
            .unwrap()
    })
}

#[tokio::test]
async fn values_in_the_process_follow_evictions_on_every_master() {
    let cluster = Cluster::start();
    let (cache, other) = (open(&cluster).await, open(&cluster).await);
    for key in one_key_each(&cluster) {
        for round in 0..10 {
            assert_eq!(warm(&cache, &key, round).await, round);
            match round % 2 {
                0 => other.evict(&key).await.unwrap(),
                _ => other.put(&key, &(round + 1)).await.unwrap(),
            }
            follows(&cache, &key, round, round + 1).await;
        }
    }
    let tagged = |load: u32| {
        let entry = cache.entry("tagged").tags(["t"]);
        entry.using_value(move || async move { load })
    };
    let begun = Instant::now();
    loop {
        let before = hits(&cache);
        assert_eq!(tagged(1).await, 1);
        if hits(&cache) > before {
            break;
        }
        assert!(begun.elapsed() < PATIENCE);
    }
    other.evict_tag("t").await.unwrap();
    let begun = Instant::now();
    while tagged(2).await != 2 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(MS).await;
    }
}

#[tokio::test]
async fn a_lost_connection_to_one_master_voids_all_and_is_made_anew() {
    let cluster = Cluster::start();
    let (cache, other) = (open(&cluster).await, open(&cluster).await);
    for (index, key) in one_key_each(&cluster).iter().enumerate() {
        for round in 0..3 {
            assert_eq!(warm(&cache, key, round).await, round);
            // The eviction may come before anybody has noticed the loss, or be missed: either way
            // nothing old may stay.
            cluster.masters()[index].control().kill_clients();
            let begun = Instant::now();
            while let Err(error) = other.evict(key).await {
                assert!(begun.elapsed() < PATIENCE, "{error}");
            }
            follows(&cache, key, round, round + 1).await;
            // And evictions are heard again.
            assert_eq!(warm(&cache, key, round + 1).await, round + 1);
            other.evict(key).await.unwrap();
            follows(&cache, key, round + 1, round).await;
            other.evict(key).await.unwrap();
            follows(&cache, key, round, round + 1).await;
        }
    }
}

#[tokio::test]
async fn values_in_the_process_follow_a_key_whose_slot_moves() {
    let cluster = Cluster::start();
    let (cache, other) = (open(&cluster).await, open(&cluster).await);
    let [key, _, _] = one_key_each(&cluster);
    let slot = slot(&cluster, &key);
    for round in 0..6_u32 {
        assert_eq!(warm(&cache, &key, round).await, round);
        let to = (cluster.owner(slot) + 1) % 3;
        cluster.move_slot(slot, to);
        other.evict(&key).await.unwrap();
        follows(&cache, &key, round, round + 1).await;
        // Also a value that was kept after the move.
        assert_eq!(warm(&cache, &key, round + 1).await, round + 1);
        other.put(&key, &(round + 2)).await.unwrap();
        follows(&cache, &key, round + 1, round + 2).await;
        other.evict(&key).await.unwrap();
        follows(&cache, &key, round + 2, round + 1).await;
    }
}

#[tokio::test]
async fn who_waits_for_the_load_of_another_process_is_woken() {
    let cluster = Cluster::start();
    let (cache, other) = (open(&cluster).await, open(&cluster).await);
    for (index, key) in one_key_each(&cluster).into_iter().enumerate() {
        // Until the pushes of all masters are heard, waiters look again and again.
        warm(&cache, "any", 1).await;
        let (begun, start) = tokio::sync::oneshot::channel();
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
        let load = {
            let (other, key) = (other.clone(), key.clone());
            tokio::spawn(async move {
                other
                    .using_value(&key, || async {
                        begun.send(()).unwrap();
                        finished.await.unwrap();
                        7_u32
                    })
                    .await
            })
        };
        start.await.unwrap();
        let waiting = {
            let (cache, key) = (cache.clone(), key.clone());
            tokio::spawn(async move { cache.using_value(&key, || async { 8_u32 }).await })
        };
        // It has looked and is waiting once its permission to be told has reached the server.
        let mut control = cluster.masters()[index].control();
        let begun = Instant::now();
        while control.info("stats", "tracking_total_keys") == 0 {
            assert!(begun.elapsed() < PATIENCE, "nobody asked to be told");
            tokio::time::sleep(MS).await;
        }
        control.forget_calls();
        tokio::time::sleep(Duration::from_millis(200)).await;
        // A waiter that polls would have asked again meanwhile.
        let asked = control.calls_of("get");
        assert_eq!(asked, 0, "the waiter polls");
        finish.send(()).unwrap();
        assert_eq!(load.await.unwrap(), 7);
        assert_eq!(waiting.await.unwrap(), 7);
    }
}

#[tokio::test]
async fn clearing_goes_through_all_masters_and_leaves_what_is_not_the_caches() {
    let cluster = Cluster::start();
    let cache = open(&cluster).await;
    for number in 0..40 {
        cache.put(&format!("k{number}"), &number).await.unwrap();
    }
    let mut control = cluster.masters()[cluster.owner(cluster.slot("t_other"))].control();
    control.ask::<()>(&["SET", "t_other", "1"]);
    assert_eq!(cluster.keys().len(), 41);
    cache.clear().await.unwrap();
    assert_eq!(Vec::from_iter(cluster.keys()), ["t_other"]);
}
