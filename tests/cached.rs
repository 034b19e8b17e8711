//! `#[cached]` and `#[cached_many]`: what is kept, under which key, for how long, and what is not.
//! Each on a server in memory and on a real one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use klg_lock::cache::{Codec, CodecError};
use klg_lock::{
    CacheConfig, CacheError, ClientConfig, Config, LockError, RedisConfig, Registry, cached,
    cached_many, mutex_lock,
};
use klg_lock_tests::Server;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
enum AppError {
    Lock(LockError),
    NoSuchUser,
}

impl From<LockError> for AppError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    /// Which load made it.
    load: u32,
}

struct Query {
    id: u64,
    page: (u32, u32),
}

/// What counts the loads.
#[derive(Clone, Default)]
struct Source {
    tenant: String,
    loads: Arc<AtomicU32>,
    asked: Arc<Mutex<Vec<Vec<u64>>>>,
}

async fn registry(uri: &str) -> Registry {
    let redis = RedisConfig::default()
        .uri(uri)
        .client("other", ClientConfig::default().uri(uri).prefix("other_"));
    let config = Config::default()
        .redis(redis)
        // What a test waits for would come a little early.
        .cache(CacheConfig::default().ttl_jitter(0.0).beta(0.0));
    Registry::builder().config(config).build().await.unwrap()
}

/// Runs a test on each kind of server, with a registry and a source of its own.
async fn on_each<F: AsyncFn(Registry, Source)>(test: F) {
    let server = Server::start();
    for uri in ["memory://".to_owned(), server.uri()] {
        let registry = registry(&uri).await;
        let source = Source {
            tenant: "acme".into(),
            ..Source::default()
        };
        registry.scope(test(registry.clone(), source)).await;
        registry.shutdown().await.unwrap();
    }
}

impl Source {
    fn load(&self) -> u32 {
        self.loads.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn loads(&self) -> u32 {
        self.loads.load(Ordering::Relaxed)
    }

    #[cached("user:{id}", ttl = "5m", tags = ["users", "tenant:{self.tenant}"])]
    async fn find(&self, id: u64) -> Result<User, AppError> {
        if id == 0 {
            self.load();
            return Err(AppError::NoSuchUser);
        }
        Ok(User {
            id,
            load: self.load(),
        })
    }

    #[cached("{self.tenant}:{query.page.1}", scope = "page")]
    async fn page(&self, query: &Query) -> Result<u32, AppError> {
        Ok(query.page.0 + self.load())
    }

    #[cached(ttl = "1m")]
    async fn profile(&self, #[cache_key("id")] query: Query) -> Result<u32, AppError> {
        Ok(query.page.0 + self.load())
    }

    #[cached(scope = "report")]
    async fn report(&self, #[cache_key] year: u32, #[cache_key] month: u32, _: &str) -> u32 {
        year + month + self.load()
    }

    #[cached(key = format!("k{}", id + 1))]
    async fn computed(&self, id: u64) -> u32 {
        self.load()
    }

    #[cached("conditional:{id}", condition = id > 10, unless = |load| *load == 2)]
    async fn conditional(&self, id: u64) -> u32 {
        self.load()
    }

    #[cached("other", client = "other")]
    async fn elsewhere(&self) -> u32 {
        self.load()
    }

    #[cached("nowhere", client = "nobody")]
    async fn nowhere(&self) -> u32 {
        self.load()
    }

    #[cached("json", codec = json)]
    async fn json(&self) -> u32 {
        self.load()
    }

    #[cached("own", codec = Reversed, name = "renamed")]
    async fn own_codec(&self) -> (u8, u8) {
        (1, u8::try_from(self.load()).unwrap())
    }

    #[cached("near", l1_ttl = "1m")]
    async fn near(&self) -> u32 {
        self.load()
    }

    #[cached("far", l1 = false)]
    async fn far(&self) -> u32 {
        self.load()
    }

    #[cached("late", ttl = "100ms")]
    async fn short(&self) -> u32 {
        self.load()
    }

    #[cached("maybe:{id}", none_ttl = "5m")]
    async fn maybe(&self, id: u64) -> Option<u32> {
        let load = self.load();
        (id > 0).then_some(load)
    }

    #[cached("forgotten:{id}")]
    async fn forgotten(&self, id: u64) -> Option<u32> {
        let load = self.load();
        (id > 0).then_some(load)
    }

    #[cached("locked:{id}")]
    #[mutex_lock("lock:{id}", guard = lock)]
    async fn cached_above(&self, id: u64) -> Result<u32, AppError> {
        assert!(lock.is_valid());
        Ok(self.load())
    }

    #[mutex_lock("outer:{id}", guard = lock)]
    #[cached("under:{id}")]
    async fn cached_below(&self, id: u64) -> Result<u32, AppError> {
        assert!(lock.is_valid());
        Ok(self.load())
    }

    #[cached_many("user:{id}", keys = ids, ttl = "5m", tags = ["users", "tenant:{self.tenant}"])]
    async fn find_many(&self, ids: Vec<u64>) -> Result<HashMap<u64, User>, AppError> {
        self.asked.lock().unwrap().push(ids.clone());
        let load = self.load();
        let known = ids.into_iter().filter(|id| *id != 404);
        Ok(known.map(|id| (id, User { id, load })).collect())
    }

    #[cached_many("{tenant}:{number}", keys = numbers, scope = "square", condition = !numbers.is_empty())]
    async fn squares(&self, tenant: &str, mut numbers: Vec<u64>) -> HashMap<u64, String> {
        self.asked.lock().unwrap().push(numbers.clone());
        numbers.retain(|number| *number < 100);
        let square = |number| (number, format!("{tenant}{}", number * number));
        numbers.into_iter().map(square).collect()
    }
}

/// A codec of the application's own.
#[derive(Clone, Copy)]
struct Reversed;

impl Codec for Reversed {
    fn name(&self) -> &'static str {
        "reversed"
    }
    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut bytes = serde_json::to_vec(value)?;
        bytes.reverse();
        Ok(bytes)
    }
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let mut bytes = bytes.to_vec();
        bytes.reverse();
        Ok(serde_json::from_slice(&bytes)?)
    }
}

#[cached(ttl = "5m")]
async fn without_arguments() -> Vec<u32> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    vec![CALLS.fetch_add(1, Ordering::Relaxed)]
}

#[tokio::test]
async fn the_second_call_comes_from_the_cache_and_counts_under_the_functions_name() {
    on_each(async |registry, source| {
        let first = source.find(42).await.unwrap();
        assert_eq!(first, User { id: 42, load: 1 });
        assert_eq!(source.find(42).await.unwrap(), first);
        assert_eq!(source.find(43).await.unwrap().load, 2);
        let counts = registry.cache().stats();
        let counts = counts.of("find").unwrap();
        assert_eq!((counts.l2_hits, counts.misses, counts.loads), (1, 2, 2));
        assert_eq!(registry.cache().get("user:42").await.unwrap(), Some(first));
    })
    .await;
}

#[tokio::test]
async fn errors_are_the_functions_own_and_are_not_cached() {
    on_each(async |registry, source| {
        for load in 1..=2 {
            assert!(matches!(source.find(0).await, Err(AppError::NoSuchUser)));
            assert_eq!(source.loads(), load);
        }
        let kept: Option<User> = registry.cache().get("user:0").await.unwrap();
        assert_eq!(kept, None);
    })
    .await;
}

#[tokio::test]
async fn each_source_of_a_key_caches_under_that_key() {
    on_each(async |registry, source| {
        let cache = registry.cache();
        let query = || Query {
            id: 7,
            page: (10, 3),
        };
        assert_eq!(source.page(&query()).await.unwrap(), 11);
        assert_eq!(cache.get("page:acme:3").await.unwrap(), Some(11_u32));
        // Marked parameters stand behind the function's name, unless there is a scope.
        assert_eq!(source.profile(query()).await.unwrap(), 12);
        assert_eq!(source.profile(query()).await.unwrap(), 12);
        assert_eq!(cache.get("profile:7").await.unwrap(), Some(12_u32));
        assert_eq!(source.report(2000, 12, "x").await, 2015);
        assert_eq!(source.report(2000, 12, "y").await, 2015);
        assert_eq!(cache.get("report:2000:12").await.unwrap(), Some(2015_u32));
        assert_eq!(source.computed(4).await, 4);
        assert_eq!(cache.get("k5").await.unwrap(), Some(4_u32));
        let list = without_arguments().await;
        assert_eq!(without_arguments().await, list);
        assert_eq!(cache.get("without_arguments").await.unwrap(), Some(list));
    })
    .await;
}

#[tokio::test]
async fn a_condition_goes_past_the_cache_and_unless_looks_at_the_value() {
    on_each(async |registry, source| {
        assert_eq!(source.conditional(1).await, 1);
        let past: Option<u32> = registry.cache().get("conditional:1").await.unwrap();
        assert_eq!(past, None);
        assert_eq!(source.conditional(11).await, 2);
        assert_eq!(source.conditional(11).await, 3);
        assert_eq!(source.conditional(11).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_value_is_loaded_anew_when_its_time_is_over() {
    on_each(async |_, source| {
        assert_eq!(source.short().await, 1);
        tokio::time::timeout(Duration::from_secs(30), async {
            while source.short().await == 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("it expires");
        assert!(source.loads() >= 2);
    })
    .await;
}

#[tokio::test]
async fn a_none_is_remembered_where_that_is_asked_for_alone() {
    on_each(async |_, source| {
        assert_eq!(source.maybe(0).await, None);
        assert_eq!(source.maybe(0).await, None);
        assert_eq!(source.loads(), 1);
        assert_eq!(source.maybe(1).await, Some(2));
        assert_eq!(source.maybe(1).await, Some(2));
        assert_eq!(source.forgotten(0).await, None);
        assert_eq!(source.forgotten(0).await, None);
        assert_eq!(source.loads(), 4);
        assert_eq!(source.forgotten(1).await, Some(5));
        assert_eq!(source.forgotten(1).await, Some(5));
    })
    .await;
}

#[tokio::test]
async fn clients_and_codecs_are_chosen_by_name() {
    on_each(async |registry, source| {
        assert_eq!(source.elsewhere().await, 1);
        assert_eq!(source.elsewhere().await, 1);
        let other = registry.cache_on("other").unwrap();
        assert_eq!(other.get("other").await.unwrap(), Some(1_u32));
        // A client that is not there is no reason for a function not to run.
        assert_eq!((source.nowhere().await, source.nowhere().await), (2, 3));
        assert_eq!((source.json().await, source.json().await), (4, 4));
        assert_eq!(source.own_codec().await, (1, 5));
        assert_eq!(source.own_codec().await, (1, 5));
        let stats = registry.cache().stats();
        assert_eq!(stats.of("renamed").unwrap().l2_hits, 1);
        let json = registry.cache().entry("json").codec(klg_lock::cache::Json);
        assert_eq!(json.get().await.unwrap(), Some(4_u32));
    })
    .await;
}

/// A hit above a lock takes none; a hit below one does.
#[tokio::test]
async fn a_cache_and_a_lock_nest_as_written() {
    on_each(async |registry, source| {
        assert_eq!(source.cached_above(1).await.unwrap(), 1);
        let above = registry.mutex().lock("lock:1").acquire().await.unwrap();
        assert_eq!(source.cached_above(1).await.unwrap(), 1);
        above.release().await.unwrap();

        assert_eq!(source.cached_below(1).await.unwrap(), 2);
        let below = registry.mutex().lock("outer:1").acquire().await.unwrap();
        let refused = source.cached_below(1).await;
        assert!(matches!(
            refused,
            Err(AppError::Lock(LockError::Contended { .. }))
        ));
        below.release().await.unwrap();
        assert_eq!(source.cached_below(1).await.unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_value_is_kept_in_the_process_unless_the_attribute_says_otherwise() {
    let server = Server::start();
    let cache = CacheConfig::default()
        .ttl_jitter(0.0)
        .beta(0.0)
        .l1(klg_lock::config::L1Config::default().enabled(true));
    let config = Config::default().uri(server.uri()).cache(cache);
    let registry = Registry::builder().config(config).build().await.unwrap();
    let source = Source::default();
    let hits = |name: &str| {
        let stats = registry.cache().stats();
        let counts = stats.of(name).unwrap();
        (counts.l1_hits, counts.l2_hits)
    };
    let scoped = async {
        // The first one loads, the second one asks the server, and keeps the answer.
        let local = async || {
            while hits("near").0 == 0 {
                assert_eq!(source.near().await, 1);
            }
        };
        assert_eq!(source.near().await, 1);
        let kept = tokio::time::timeout(Duration::from_secs(30), local()).await;
        kept.expect("it is kept in the process");
        for _ in 0..10 {
            assert_eq!(source.far().await, 2);
        }
        assert_eq!(hits("far"), (0, 9));
    };
    registry.scope(scoped).await;
    assert_eq!(source.loads(), 2);
}

#[tokio::test]
async fn of_several_ids_only_the_missing_ones_are_loaded_in_their_order() {
    on_each(async |registry, source| {
        assert_eq!(source.find(3).await.unwrap().load, 1);
        let found = source.find_many(vec![5, 3, 404, 9, 5]).await.unwrap();
        let loads = |found: &HashMap<u64, User>| {
            let mut loads: Vec<_> = found.iter().map(|(id, user)| (*id, user.load)).collect();
            loads.sort_unstable();
            loads
        };
        assert_eq!(loads(&found), [(3, 1), (5, 2), (9, 2)]);
        assert_eq!(*source.asked.lock().unwrap(), [[5, 404, 9]]);
        // What they have in common with the other function is the key, the type and the tags.
        assert_eq!(source.find(9).await.unwrap().load, 2);
        let again = source.find_many(vec![9, 5, 3]).await.unwrap();
        assert_eq!(loads(&again), loads(&found));
        assert_eq!(source.asked.lock().unwrap().len(), 1);
        registry.cache().evict_tag("tenant:acme").await.unwrap();
        let anew = source.find_many(vec![9, 5]).await.unwrap();
        assert_eq!(loads(&anew), [(5, 3), (9, 3)]);
        assert_eq!(*source.asked.lock().unwrap(), [vec![5, 404, 9], vec![9, 5]]);
    })
    .await;
}

#[tokio::test]
async fn several_ids_of_a_function_that_cannot_fail() {
    on_each(async |registry, source| {
        assert!(source.squares("a", Vec::new()).await.is_empty());
        let squares = source.squares("a", vec![2, 3, 100]).await;
        assert_eq!((squares.len(), &*squares[&3]), (2, "a9"));
        assert_eq!(source.squares("b", vec![3]).await[&3], "b9");
        assert_eq!(source.squares("a", vec![2, 3]).await.len(), 2);
        let asked = source.asked.lock().unwrap().clone();
        assert_eq!(asked, [vec![], vec![2, 3, 100], vec![3]]);
        let kept = registry.cache().get("square:a:2").await.unwrap();
        assert_eq!(kept, Some("a4".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn without_a_registry_every_function_runs() {
    let source = Source::default();
    assert_eq!(source.find(1).await.unwrap().load, 1);
    assert_eq!(source.find(1).await.unwrap().load, 2);
    assert_eq!(source.find_many(vec![1]).await.unwrap().len(), 1);
    assert_eq!(source.squares("a", vec![2]).await[&2], "a4");
    assert_eq!(source.maybe(1).await, Some(4));
}

// What the generated functions hand out.

impl Source {
    #[cached("rate:{currency}:{self.tenant}", ttl = "5m", tags = ["rates"], entry = rate_entry)]
    async fn rate(&self, currency: &str, _precise: bool) -> Result<u32, AppError> {
        Ok(self.load())
    }

    #[cached("plain:{id}", condition = id > 0, entry = plain_entry)]
    async fn plain<T>(&self, id: T) -> u32
    where
        T: std::fmt::Display + PartialOrd<i32>,
    {
        self.load()
    }
}

mod elsewhere {
    use super::*;

    #[cached("{number}", entry = squared_entry, scope = "squared")]
    pub(crate) async fn squared(Query { id: number, .. }: Query) -> std::io::Result<u64> {
        Ok(number * number)
    }
}

#[tokio::test]
async fn the_function_beside_a_cached_one_reads_puts_evicts_and_refreshes_one_call() {
    on_each(async |registry, source| {
        let entry = |currency| source.rate_entry(currency);
        assert_eq!(entry("EUR").key(), Some("rate:EUR:acme"));
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        assert_eq!(source.rate("EUR", true).await.unwrap(), 1);
        assert_eq!(entry("EUR").get().await.unwrap(), Some(1));
        // A refresh calls the function itself, which goes past the cache there.
        let refreshed = entry("EUR").refresh(|| source.rate("EUR", true)).await;
        assert_eq!(refreshed.unwrap(), 2);
        assert_eq!(source.rate("EUR", false).await.unwrap(), 2);
        assert_eq!(source.rate("USD", true).await.unwrap(), 3);
        entry("EUR").evict().await.unwrap();
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        assert_eq!(entry("USD").get().await.unwrap(), Some(3));
        entry("EUR").put(&9).await.unwrap();
        assert_eq!(source.rate("EUR", true).await.unwrap(), 9);
        // It has the tags of the attribute.
        registry.cache().evict_tag("rates").await.unwrap();
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        entry("EUR").evict_strict().await.unwrap();
        // What fails changes nothing.
        entry("EUR").put(&10).await.unwrap();
        let failed = entry("EUR").refresh(|| async { Err(AppError::NoSuchUser) });
        assert!(matches!(failed.await, Err(AppError::NoSuchUser)));
        assert_eq!(entry("EUR").get().await.unwrap(), Some(10));
    })
    .await;
}

#[tokio::test]
async fn the_function_beside_has_the_generics_patterns_and_visibility_of_the_first() {
    on_each(async |_, source| {
        assert_eq!(source.plain(0).await, 1);
        assert_eq!(Source::plain_entry(0).get().await.unwrap(), None);
        assert_eq!(source.plain(5).await, 2);
        assert_eq!(Source::plain_entry(5_i32).get().await.unwrap(), Some(2));
        let refresh = Source::plain_entry(5_i32).refresh_value(|| source.plain(5));
        assert_eq!(refresh.await, 3);
        let query = || Query {
            id: 7,
            page: (0, 0),
        };
        assert_eq!(elsewhere::squared(query()).await.unwrap(), 49);
        let kept = elsewhere::squared_entry(query()).get().await.unwrap();
        assert_eq!(kept, Some(49));
    })
    .await;
}

#[tokio::test]
async fn the_function_beside_says_that_there_is_no_cache() {
    let source = Source::default();
    let entry = || source.rate_entry("EUR");
    assert_eq!(entry().key(), None);
    assert!(matches!(
        entry().get().await,
        Err(CacheError::NotInitialized)
    ));
    assert!(matches!(
        entry().evict().await,
        Err(CacheError::NotInitialized)
    ));
    let loaded = entry().refresh(|| source.rate("EUR", true)).await.unwrap();
    assert_eq!(loaded, 1);
}
