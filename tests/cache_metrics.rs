//! What the feature `metrics` says of a cache: names, labels and values.

use std::collections::BTreeMap;
use std::time::Duration;

use klg_lock::testing::MemoryServer;
use klg_lock::{CacheConfig, Config, NodeErrorKind, Registry, cache_evict, cached};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use metrics_util::{CompositeKey, MetricKind};

const EVENTS: &str = "klg_cache_events_total";
const LOADS: &str = "klg_cache_load_seconds";

#[cached("user:{id}", ttl = "1s", stale = "1m", name = "users")]
async fn find(id: u32) -> Result<u32, ()> {
    tokio::time::sleep(Duration::from_millis(250)).await;
    if id == 0 { Err(()) } else { Ok(id) }
}

#[cached("rate")]
async fn rate() -> f64 {
    1.25
}

#[cache_evict("user:{id}", name = "users")]
async fn delete(id: u32) -> u32 {
    id
}

/// Counts by cache and event.
type Events = BTreeMap<(String, String), u64>;

/// Loads by cache, in seconds.
type Loads = BTreeMap<String, Vec<f64>>;

/// Runs with a recorder of its own, which sees this thread alone; all of the runtime is on it.
fn recorded<F: Future>(test: impl FnOnce(Seen) -> F) {
    let recorder = DebuggingRecorder::new();
    let seen = Seen(recorder.snapshotter());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(seen)));
}

struct Seen(Snapshotter);

/// The labels of a metric, in alphabetical order.
fn labels(key: &CompositeKey) -> Vec<(String, String)> {
    let labels = key.key().labels();
    let mut labels: Vec<_> = labels
        .map(|label| (label.key().to_owned(), label.value().to_owned()))
        .collect();
    labels.sort();
    labels
}

impl Seen {
    /// What has been counted since the last look, by cache and event; and the loads in seconds.
    fn since(&self) -> (Events, Loads) {
        let mut events = BTreeMap::new();
        let mut loads = BTreeMap::new();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let labels = labels(&key);
            match value {
                DebugValue::Counter(count) => {
                    assert_eq!(
                        (key.kind(), key.key().name()),
                        (MetricKind::Counter, EVENTS)
                    );
                    let [(first, cache), (second, event)] = &labels[..] else {
                        panic!("{labels:?}");
                    };
                    assert_eq!((&**first, &**second), ("cache", "event"));
                    // A snapshot takes the counts along, and leaves the names.
                    if count > 0 {
                        events.insert((cache.clone(), event.clone()), count);
                    }
                }
                DebugValue::Histogram(values) => {
                    assert_eq!(
                        (key.kind(), key.key().name()),
                        (MetricKind::Histogram, LOADS)
                    );
                    let [(name, cache)] = &labels[..] else {
                        panic!("{labels:?}");
                    };
                    assert_eq!(name, "cache");
                    let values = values.into_iter().map(f64::from).collect::<Vec<_>>();
                    if !values.is_empty() {
                        loads.insert(cache.clone(), values);
                    }
                }
                DebugValue::Gauge(_) => panic!("a gauge: {key:?}"),
            }
        }
        (events, loads)
    }

    fn expect(&self, counts: &[(&str, &str, u64)], loaded: &[(&str, &[f64])]) {
        let (events, loads) = self.since();
        let counts = counts.iter();
        let counts =
            counts.map(|(cache, event, count)| ((cache.to_string(), event.to_string()), *count));
        assert_eq!(events, counts.collect::<BTreeMap<_, _>>());
        let loaded = loaded.iter();
        let loaded = loaded.map(|(cache, loads)| (cache.to_string(), loads.to_vec()));
        assert_eq!(loads, loaded.collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn calls_are_counted_by_cache_and_event_and_loads_are_timed() {
    recorded(|seen| async move {
        let server = MemoryServer::named("metrics");
        let cache = CacheConfig::default()
            .ttl_jitter(0.0)
            .beta(0.0)
            .breaker_failures(1_000_u32);
        let config = Config::default().uri(server.uri()).cache(cache);
        let registry = Registry::builder().config(config).build().await.unwrap();
        let _bound = registry.bind_runtime();
        seen.expect(&[], &[]);

        find(1).await.unwrap();
        seen.expect(&[("users", "miss", 1)], &[("users", &[0.25])]);
        find(1).await.unwrap();
        find(1).await.unwrap();
        seen.expect(&[("users", "l2_hit", 2)], &[]);

        // Names are kept apart.
        rate().await;
        rate().await;
        seen.expect(
            &[("rate", "l2_hit", 1), ("rate", "miss", 1)],
            &[("rate", &[0.0])],
        );

        find(0).await.unwrap_err();
        let failed = [("users", "load_error", 1), ("users", "miss", 1)];
        seen.expect(&failed, &[("users", &[0.25])]);

        // Two at once: one load, which the other one shares.
        let (one, other) = tokio::join!(find(2), find(2));
        assert_eq!((one, other), (Ok(2), Ok(2)));
        let shared = [("users", "miss", 2), ("users", "shared", 1)];
        seen.expect(&shared, &[("users", &[0.25])]);

        // Past its time: one loads anew, the other one is served what is there.
        tokio::time::advance(Duration::from_secs(2)).await;
        let (one, other) = tokio::join!(find(2), find(2));
        assert_eq!((one, other), (Ok(2), Ok(2)));
        seen.expect(&[("users", "stale", 1)], &[("users", &[0.25])]);

        // Evicted while it is loaded: it is not stored.
        let (one, other) = tokio::join!(find(3), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            delete(3).await
        });
        assert_eq!((one, other), (Ok(3), 3));
        let discarded = [("users", "discarded", 1), ("users", "miss", 1)];
        seen.expect(&discarded, &[("users", &[0.25])]);

        // The server fails: the function runs, and that is counted too.
        server.fail(NodeErrorKind::Unreachable);
        assert_eq!(rate().await, 1.25);
        let (events, loads) = seen.since();
        let event = |event: &str| events.get(&("rate".to_owned(), event.to_owned()));
        assert!(event("error") >= Some(&1), "{events:?}");
        assert_eq!(event("bypass"), Some(&1), "{events:?}");
        assert_eq!(loads["rate"], [0.0]);
        server.recover();
    });
}
