//! What the cache promises of one process, on a server in memory and on Redis alike.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use klg_lock::cache::{Codec, CodecError, Json};
use klg_lock::config::L1Config;
use klg_lock::testing::MemoryServer;
use klg_lock::{Cache, CacheConfig, CacheError, Config, Registry};
use klg_lock_tests::Server;
use klg_lock_tests::poll::{cancelled_after, within};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Neither `Clone` nor anything else that a cache might wish for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u32,
    name: String,
}

/// Neither `Debug` nor an error.
struct Failure;

fn settings() -> CacheConfig {
    CacheConfig::default().ttl_jitter(0.0).beta(0.0)
}

async fn open(uri: &str, cache: CacheConfig) -> Registry {
    let config = Config::default().uri(uri).prefix("t_").cache(cache);
    Registry::builder().config(config).build().await.unwrap()
}

/// A source of numbers that counts how often it was asked.
#[derive(Clone, Default)]
struct Source(Arc<AtomicU32>);

impl Source {
    fn loads(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn value(&self) -> Result<u32, Failure> {
        Ok(self.next())
    }

    async fn fail(&self) -> Result<u32, Failure> {
        self.next();
        Err(Failure)
    }
}

async fn ok<T>(result: impl Future<Output = Result<T, Failure>>) -> T {
    match result.await {
        Ok(value) => value,
        Err(Failure) => panic!("the load failed"),
    }
}

/// The same test against a server in memory and a real one, without and with values in the process.
macro_rules! everywhere {
    ($($name:ident($registry:ident, $settings:expr) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn test($registry: Registry) $body

            #[tokio::test]
            async fn in_memory() {
                test(open("memory://", $settings).await).await;
            }

            #[tokio::test]
            async fn in_memory_with_l1() {
                let settings = $settings.l1(L1Config::default().enabled(true));
                test(open("memory://", settings).await).await;
            }

            #[tokio::test]
            async fn on_redis() {
                let server = Server::start();
                test(open(&server.uri(), $settings).await).await;
            }

            #[tokio::test]
            async fn on_redis_with_l1() {
                let server = Server::start();
                let settings = $settings.l1(L1Config::default().enabled(true));
                test(open(&server.uri(), settings).await).await;
            }
        })*
    };
}

everywhere! {
    a_value_is_loaded_once_and_then_found(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for _ in 0..5 {
            assert_eq!(ok(cache.using("k", || source.value())).await, 1);
        }
        assert_eq!(source.loads(), 1);
        let plain: User = cache
            .using_value("user", || async { User { id: 7, name: "Ann".into() } })
            .await;
        assert_eq!(plain.name, "Ann");
        assert_eq!(cache.get("user").await.unwrap(), Some(plain));
    }

    an_error_is_the_functions_own_and_is_not_cached(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        assert!(cache.using("k", || source.fail()).await.is_err());
        assert_eq!(ok(cache.using("k", || source.value())).await, 2);
        assert_eq!(ok(cache.using("k", || source.value())).await, 2);
    }

    put_get_and_evict_do_what_they_say(registry, settings()) {
        let cache = registry.cache();
        assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
        cache.put("k", &1_u32).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Some(1_u32));
        let source = Source::default();
        assert_eq!(ok(cache.using("k", || source.value())).await, 1);
        cache.put("k", &9_u32).await.unwrap();
        assert_eq!(ok(cache.using("k", || source.value())).await, 9);
        cache.evict("k").await.unwrap();
        assert_eq!(source.loads(), 0);
        assert_eq!(ok(cache.using("k", || source.value())).await, 1);
        cache.evict_strict("k").await.unwrap();
        assert_eq!(ok(cache.using("k", || source.value())).await, 2);
    }

    several_keys_go_in_one_round_trip(registry, settings()) {
        let cache = registry.cache();
        cache.put_many([("a", &1_u32), ("b", &2)]).await.unwrap();
        let values: Vec<Option<u32>> = cache.get_many(["a", "missing", "b"]).await.unwrap();
        assert_eq!(values, [Some(1), None, Some(2)]);
        assert_eq!(cache.get_many::<u32, _, _>([""; 0]).await.unwrap(), []);
    }

    a_load_of_several_ids_is_asked_for_the_missing_ones_alone(registry, settings()) {
        let cache = registry.cache();
        cache.put("n:2", &20_u32).await.unwrap();
        let load = |missing: Vec<u32>| async move {
            let mut missing = missing;
            missing.sort_unstable();
            assert_eq!(missing, [1, 3, 4]);
            // There is no 4.
            Ok::<_, Failure>(HashMap::from([(1, 10_u32), (3, 30)]))
        };
        let all = ok(cache.using_many(vec![1, 2, 3, 4], |id| format!("n:{id}"), load)).await;
        assert_eq!(all, HashMap::from([(1, 10), (2, 20), (3, 30)]));
        let found: Vec<Option<u32>> = cache.get_many(["n:1", "n:2", "n:3", "n:4"]).await.unwrap();
        assert_eq!(found, [Some(10), Some(20), Some(30), None]);
        let again = cache.using_many(vec![3, 1], |id| format!("n:{id}"), |missing: Vec<u32>| async move {
            panic!("{missing:?} are cached")
        });
        assert_eq!(ok::<HashMap<u32, u32>>(again).await.len(), 2);
        // What was not there is free to be loaded at once.
        let begun = tokio::time::Instant::now();
        let four: u32 = cache.using_value("n:4", || async { 40 }).await;
        assert!(four == 40 && begun.elapsed() < SECOND);
    }

    a_load_of_several_ids_does_not_undo_an_eviction(registry, settings()) {
        let cache = registry.cache();
        let load = |missing: Vec<u32>| {
            let cache = cache.clone();
            async move {
                cache.evict("n:1").await.unwrap();
                cache.put("n:2", &2_u32).await.unwrap();
                Ok::<_, Failure>(missing.into_iter().map(|id| (id, id * 10)).collect::<HashMap<_, _>>())
            }
        };
        let all = ok(cache.using_many(vec![1, 2, 3], |id| format!("n:{id}"), load)).await;
        assert_eq!(all, HashMap::from([(1, 10), (2, 20), (3, 30)]));
        let found: Vec<Option<u32>> = cache.get_many(["n:1", "n:2", "n:3"]).await.unwrap();
        assert_eq!(found, [None, Some(2), Some(30)]);
        let failing = |_: Vec<u32>| async { Err::<HashMap<u32, u32>, _>(Failure) };
        assert!(cache.using_many(vec![9], |id| format!("n:{id}"), failing).await.is_err());
        assert_eq!(cache.using_value("n:9", || async { 9_u32 }).await, 9);
    }

    a_tag_evicts_all_that_carry_it_and_nothing_else(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let tagged = |key: &'static str, tags: &'static [&'static str]| {
            let source = source.clone();
            let entry = cache.entry(key).tags(tags.iter().copied());
            async move { ok(entry.using(|| async move { source.value().await })).await }
        };
        assert_eq!(tagged("a", &["users", "eu"]).await, 1);
        assert_eq!(tagged("b", &["users"]).await, 2);
        assert_eq!(tagged("c", &["eu"]).await, 3);
        assert_eq!(tagged("d", &[]).await, 4);
        cache.evict_tag("users").await.unwrap();
        assert_eq!(tagged("c", &["eu"]).await, 3);
        assert_eq!(tagged("d", &[]).await, 4);
        // Whoever does not name the tags is told of evictions all the same.
        assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
        assert_eq!(tagged("a", &["users", "eu"]).await, 5);
        assert_eq!(tagged("b", &["users"]).await, 6);
        assert_eq!(tagged("a", &["users", "eu"]).await, 5);
        // An entry without the tag would be passed over by an eviction: it is none for this reader.
        assert_eq!(tagged("d", &["users"]).await, 7);
        cache.evict_tag("eu").await.unwrap();
        assert_eq!(tagged("a", &["users", "eu"]).await, 8);
        assert_eq!(tagged("c", &["eu"]).await, 9);
        assert_eq!(tagged("b", &["users"]).await, 6);
    }

    clear_takes_the_own_namespace_only(registry, settings()) {
        let cache = registry.cache();
        let lock = registry.mutex().lock("cache:k").acquire().await.unwrap();
        cache.put("k", &1_u32).await.unwrap();
        cache.entry("t").tags(["x"]).put(&2_u32).await.unwrap();
        cache.clear().await.unwrap();
        assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
        assert_eq!(cache.get::<u32>("t").await.unwrap(), None);
        let other = registry.mutex().lock("cache:k").acquire().await;
        assert!(other.is_err(), "the lock is still held");
        lock.release().await.unwrap();
    }

    a_none_is_remembered_only_where_that_is_asked_for(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for load in 1..=2 {
            let none: Option<u32> = cache.using_value("k", || async { source.next(); None }).await;
            assert_eq!((none, source.loads()), (None, load));
        }
        for _ in 0..2 {
            let entry = cache.entry("k").none_ttl(SECOND * 60);
            let none: Option<u32> = entry.using_value(|| async { source.next(); None }).await;
            assert_eq!((none, source.loads()), (None, 3));
        }
        assert_eq!(cache.get::<Option<u32>>("k").await.unwrap(), Some(None));
    }

    only_values_that_are_to_be_kept_are(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for load in 1..=2 {
            let entry = cache.entry("k");
            assert_eq!(ok(entry.using_if(|| source.value(), |value| *value > 2)).await, load);
        }
        for _ in 0..2 {
            let entry = cache.entry("k");
            assert_eq!(ok(entry.using_if(|| source.value(), |value| *value > 2)).await, 3);
        }
    }

    a_stale_value_is_served_while_one_caller_loads(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let entry = || cache.entry("k").ttl(MS * 30).stale(SECOND * 60);
        assert_eq!(ok(entry().using(|| source.value())).await, 1);
        tokio::time::sleep(MS * 60).await;
        let (loading, wait) = tokio::sync::oneshot::channel::<()>();
        let elected = tokio::spawn({
            let (entry, source) = (entry(), source.clone());
            async move {
                ok(entry.using(|| async move {
                    let value = source.value().await;
                    wait.await.unwrap();
                    value
                }))
                .await
            }
        });
        within(SECOND * 10, "one caller loads", || source.loads() == 2).await;
        for _ in 0..10 {
            assert_eq!(ok(entry().using(|| source.value())).await, 1);
        }
        loading.send(()).unwrap();
        assert_eq!(elected.await.unwrap(), 2);
        assert_eq!(cache.get("k").await.unwrap(), Some(2_u32));
        assert_eq!(source.loads(), 2);
    }

    a_stale_value_stands_in_for_a_load_that_fails(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let entry = || cache.entry("k").ttl(MS * 30).stale(SECOND * 60);
        assert_eq!(ok(entry().using(|| source.value())).await, 1);
        tokio::time::sleep(MS * 60).await;
        for load in 2..=3 {
            assert_eq!(ok(entry().using(|| source.fail())).await, 1);
            assert_eq!(source.loads(), load);
        }
        cache.evict("k").await.unwrap();
        assert!(entry().using(|| source.fail()).await.is_err());
    }

    a_stale_value_is_refreshed_behind_the_callers_back(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let entry = || cache.entry("k").ttl(MS * 30).stale(SECOND * 60);
        let call = || {
            let source = source.clone();
            entry().using_background(move || async move { source.value().await })
        };
        assert_eq!(ok(call()).await, 1);
        tokio::time::sleep(MS * 60).await;
        assert_eq!(ok(call()).await, 1);
        within(SECOND * 10, "it is loaded", || source.loads() == 2).await;
        let begun = tokio::time::Instant::now();
        while cache.get::<u32>("k").await.unwrap() != Some(2) {
            assert!(begun.elapsed() < SECOND * 10);
            tokio::task::yield_now().await;
        }
    }

    another_type_or_codec_reads_as_a_miss_and_is_replaced(registry, settings()) {
        let cache = registry.cache();
        cache.put("k", &1_u32).await.unwrap();
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
        let text: String = cache.using_value("k", || async { "text".into() }).await;
        assert_eq!(text, "text");
        assert_eq!(cache.get("k").await.unwrap(), Some(text));
        let json: String = cache
            .entry("k")
            .codec(Json)
            .using_value(|| async { "json".into() })
            .await;
        assert_eq!(json, "json");
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    }

    a_value_that_does_not_decode_is_replaced(registry, settings()) {
        #[derive(Clone)]
        struct Moody;
        impl Codec for Moody {
            fn name(&self) -> &'static str {
                "moody"
            }
            fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
                Json.encode(value)
            }
            fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
                if bytes == b"1" { Err("no".into()) } else { Json.decode(bytes) }
            }
        }
        let cache = registry.cache();
        let source = Source::default();
        for expected in [1, 2, 2, 2] {
            let entry = cache.entry("k").codec(Moody);
            assert_eq!(ok(entry.using(|| source.value())).await, expected);
        }
    }

    a_value_that_cannot_be_encoded_is_returned_all_the_same(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for load in 1..=2 {
            let map: BTreeMap<(u32, u32), u32> = cache
                .entry("k")
                .codec(Json)
                .using_value(|| async { BTreeMap::from([((1, 1), source.next())]) })
                .await;
            assert_eq!(map[&(1, 1)], load);
        }
        let unwritable = BTreeMap::from([((1, 1), 1)]);
        let put = cache.entry("k").codec(Json).put(&unwritable).await;
        assert!(matches!(put, Err(CacheError::Encode { .. })), "{put:?}");
    }

    an_impossible_key_costs_the_caching_and_not_the_call(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for key in ["", &"k".repeat(100_000)] {
            let before = source.loads();
            assert_eq!(ok(cache.using(key, || source.value())).await, before + 1);
            assert_eq!(ok(cache.using(key, || source.value())).await, before + 2);
            let evicted = cache.evict(key).await;
            assert!(matches!(evicted, Err(CacheError::InvalidKey { .. })));
        }
    }

    callers_of_one_key_share_one_load(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let calls = (0..250).map(|_| {
            let source = source.clone();
            tokio::spawn(cache.using("k", move || async move {
                tokio::time::sleep(MS * 50).await;
                source.value().await
            }))
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(matches!(call.await.unwrap(), Ok(1)));
        }
        assert_eq!(source.loads(), 1);
    }

    a_failing_load_gives_its_own_caller_the_error_and_the_next_one_loads(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let calls = (0..20).map(|_| {
            let source = source.clone();
            tokio::spawn(cache.using("k", move || async move {
                tokio::time::sleep(MS * 5).await;
                if source.next() < 3 { Err(Failure) } else { Ok(source.loads()) }
            }))
        });
        let mut failed = 0;
        for call in calls.collect::<Vec<_>>() {
            failed += u32::from(call.await.unwrap().is_err());
        }
        assert_eq!((failed, source.loads()), (2, 3));
    }

    a_dropped_load_is_taken_over_at_any_await(registry, settings()) {
        let cache = registry.cache();
        for polls in 0..12 {
            let key = format!("k{polls}");
            let source = Source::default();
            let dropped = cancelled_after(polls, cache.using(&key, || async {
                tokio::task::yield_now().await;
                tokio::task::yield_now().await;
                source.value().await
            }));
            let _ = dropped.await;
            let begun = tokio::time::Instant::now();
            ok(cache.using(&key, || source.value())).await;
            // Well below the lease of a token that nobody gave back.
            assert!(begun.elapsed() < SECOND, "{polls} polls: {:?}", begun.elapsed());
        }
    }

    a_load_that_asks_for_its_own_key_goes_past_the_cache(registry, settings()) {
        let cache = registry.cache();
        let inner = cache.clone();
        let begun = tokio::time::Instant::now();
        let value: u32 = cache
            .using_value("k", || async move {
                let nested: u32 = inner.using_value("k", || async { 1 }).await;
                let other: u32 = inner.using_value("other", || async { 10 }).await;
                nested + other
            })
            .await;
        assert_eq!(value, 11);
        assert!(begun.elapsed() < SECOND);
    }

    a_load_under_which_the_key_is_evicted_or_put_is_not_stored(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let value = ok(cache.using("k", || async {
            let value = source.value().await;
            cache.evict("k").await.unwrap();
            value
        })).await;
        assert_eq!(value, 1);
        assert_eq!(cache.get::<u32>("k").await.unwrap(), None);
        ok(cache.using("k", || async {
            let value = source.value().await;
            cache.put("k", &100_u32).await.unwrap();
            value
        })).await;
        assert_eq!(cache.get("k").await.unwrap(), Some(100_u32));
        cache.evict("k").await.unwrap();
        let tagged = || cache.entry("k").tags(["t"]);
        ok(tagged().using(|| async {
            let value = source.value().await;
            cache.evict_tag("t").await.unwrap();
            value
        })).await;
        assert_eq!(ok(tagged().using(|| source.value())).await, 4);
        assert_eq!(cache.stats().of("default").unwrap().discarded, 2);
    }

    // A fill succeeds though a tag was evicted meanwhile, since the token is the key's: whoever came
    // after that eviction used to be given the old value with those who waited.
    whoever_comes_after_the_eviction_of_a_tag_is_not_given_the_load_before_it(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        let (finish, wait) = tokio::sync::oneshot::channel::<()>();
        let before = tokio::spawn({
            let (entry, source) = (cache.entry("k").tags(["t"]), source.clone());
            entry.using_value(move || async move {
                let old = source.next();
                let _ = wait.await;
                old
            })
        });
        within(SECOND * 10, "the load has begun", || source.loads() == 1).await;
        cache.evict_tag_strict("t").await.unwrap();
        let after = tokio::spawn({
            let (entry, source) = (cache.entry("k").tags(["t"]), source.clone());
            entry.using_value(move || async move { source.next() })
        });
        let waits = || cache.stats().of("default").unwrap().misses == 2;
        within(SECOND * 10, "the second caller waits", waits).await;
        finish.send(()).unwrap();
        assert_eq!(before.await.unwrap(), 1);
        assert_eq!(after.await.unwrap(), 2);
    }

    what_happened_is_counted_by_name(registry, settings()) {
        let users = registry.cache().named("users");
        let source = Source::default();
        for _ in 0..4 {
            ok(users.using("k", || source.value())).await;
        }
        assert!(users.using("x", || source.fail()).await.is_err());
        let stats = registry.cache().stats();
        let row = stats.of("users").unwrap();
        assert_eq!(row.l1_hits + row.l2_hits, 3);
        assert_eq!((row.misses, row.loads, row.load_errors), (2, 2, 1));
        let table = stats.to_string();
        assert!(table.starts_with("cache"), "{table}");
        assert!(table.lines().any(|line| line.starts_with("users")), "{table}");
    }

    after_shutdown_functions_run_and_explicit_operations_say_why_not(registry, settings()) {
        let cache = registry.cache();
        cache.put("k", &1_u32).await.unwrap();
        registry.shutdown().await.unwrap();
        let source = Source::default();
        assert_eq!(ok(cache.using("other", || source.value())).await, 1);
        assert!(matches!(cache.get::<u32>("k").await, Err(CacheError::Closed)));
        assert!(matches!(cache.evict("k").await, Err(CacheError::Closed)));
    }
}

#[tokio::test]
async fn a_client_of_another_name_has_a_cache_of_its_own() {
    let client = klg_lock::ClientConfig::default().uri("memory://");
    let redis = klg_lock::RedisConfig::default()
        .uri("memory://")
        .client("session", client);
    let config = Config::default().redis(redis);
    let registry = Registry::builder().config(config).build().await.unwrap();
    let session = registry.cache_on("session").unwrap();
    session.put("k", &1).await.unwrap();
    assert_eq!(registry.cache().get::<u32>("k").await.unwrap(), None);
    assert_eq!(session.get("k").await.unwrap(), Some(1));
    let error = registry.cache_on("sessions").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no Redis client is named \"sessions\"; known: default, session"
    );
}

#[tokio::test(start_paused = true)]
async fn time_ends_values_absences_and_grace() {
    let registry = open("memory://", settings()).await;
    let cache = registry.cache();
    let source = Source::default();
    let entry = || cache.entry("k").ttl(SECOND * 60).stale(SECOND * 60);
    ok(entry().using(|| source.value())).await;
    tokio::time::advance(SECOND * 59).await;
    assert_eq!(ok(entry().using(|| source.fail())).await, 1);
    assert_eq!(source.loads(), 1);
    // Stale: it is loaded, in vain, and the old value serves.
    tokio::time::advance(SECOND * 2).await;
    assert_eq!(ok(entry().using(|| source.fail())).await, 1);
    assert_eq!(source.loads(), 2);
    tokio::time::advance(SECOND * 60).await;
    assert!(entry().using(|| source.fail()).await.is_err());

    let absent = || cache.entry("none").none_ttl(SECOND).stale(SECOND * 60);
    for _ in 0..2 {
        let none: Option<u32> = absent().using_value(|| async { None }).await;
        assert_eq!(none, None);
    }
    tokio::time::advance(SECOND * 2).await;
    let some: Option<u32> = absent().using_value(|| async { Some(1) }).await;
    assert_eq!(some, Some(1), "an absence has no grace period");
}

#[tokio::test(start_paused = true)]
async fn ttls_are_shortened_at_random() {
    let name = "cache-jitter";
    let server = MemoryServer::named(name);
    let registry = open(&server.uri(), CacheConfig::default().beta(0.0)).await;
    for key in 0..50 {
        registry.cache().put(&key.to_string(), &key).await.unwrap();
    }
    let ttls: Vec<_> = (0..50)
        .map(|key| server.ttl(&format!("t_cache:{key}")).unwrap())
        .collect();
    let (least, most) = (ttls.iter().min().unwrap(), ttls.iter().max().unwrap());
    assert!(*least >= SECOND * 270 && *most <= SECOND * 300, "{ttls:?}");
    assert!(*most - *least > SECOND, "{ttls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_slow_to_load_is_refreshed_by_one_caller_before_it_expires() {
    let registry = open("memory://", settings().beta(1.0)).await;
    let cache = registry.cache();
    let source = Source::default();
    let load = || async {
        tokio::time::sleep(SECOND).await;
        source.value().await
    };
    let entry = || cache.entry("k").ttl(SECOND * 60);
    ok(entry().using(load)).await;
    let mut waited = Duration::ZERO;
    // A hot key: asked a hundred times a second until well past its expiry.
    for _ in 0..9_000 {
        tokio::time::advance(MS * 10).await;
        let begun = tokio::time::Instant::now();
        ok(entry().using(load)).await;
        waited += begun.elapsed();
    }
    let row = cache.stats().rows.remove(0);
    assert_eq!(row.misses, 1, "it never expired: {row:?}");
    assert_eq!(u64::from(source.loads()), row.loads);
    assert!((2..=4).contains(&row.loads), "{row:?}");
    assert_eq!(waited, SECOND * (source.loads() - 1));
}

#[tokio::test]
async fn json_is_readable_where_it_is_asked_for() {
    let server = Server::start();
    let registry = open(
        &server.uri(),
        settings().codec(klg_lock::config::Codec::Json),
    )
    .await;
    let user = User {
        id: 1,
        name: "Ann".into(),
    };
    registry.cache().put("u", &user).await.unwrap();
    let stored: Vec<u8> = server.control().ask(&["GET", "t_cache:u"]);
    assert!(stored.ends_with(br#"{"id":1,"name":"Ann"}"#));
}

#[tokio::test]
async fn a_key_of_another_type_is_replaced() {
    let server = Server::start();
    let registry = open(&server.uri(), settings()).await;
    server.control().ask::<()>(&["LPUSH", "t_cache:k", "x"]);
    server.control().ask::<()>(&["SET", "t_cache:text", "x"]);
    let source = Source::default();
    for key in ["k", "text"] {
        let first = ok(registry.cache().using(key, || source.value())).await;
        assert_eq!(
            ok(registry.cache().using(key, || source.value())).await,
            first
        );
    }
}

/// What the signatures promise: checked by compiling.
#[tokio::test]
async fn futures_own_what_they_need_and_are_send_where_the_load_is() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let registry = open("memory://", settings()).await;
    let name = String::from("Ann");
    let borrowed = &name;
    let cache: Cache = registry.cache();
    let user = send(cache.using("u", || async move {
        Ok::<User, Failure>(User {
            id: 1,
            name: borrowed.clone(),
        })
    }));
    assert_eq!(ok(user).await.name, "Ann");
    let spawned = tokio::spawn(
        registry
            .cache()
            .using(String::from("u"), async || Err::<User, Failure>(Failure)),
    );
    assert!(spawned.await.unwrap().is_ok());
    tokio::spawn(registry.cache().evict(&String::from("u")))
        .await
        .unwrap()
        .unwrap();
    // A load that cannot cross threads is none the worse.
    let local = std::rc::Rc::new(5_u32);
    let value = registry
        .cache()
        .using_value("rc", || async { *local })
        .await;
    assert_eq!(value, 5);
}
