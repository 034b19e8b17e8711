//! `#[cached]` and `#[cached_many]`: what is kept, under which key, for how long, and what is not.
//! Each on a server in memory and on a real one.

mod choices;
mod entry;
mod kept;
mod keys;
mod many;
mod nesting;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use klg_lock::{CacheConfig, ClientConfig, Config, LockError, RedisConfig, Registry, cached};
use klg_lock_tests::Server;
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
async fn without_a_registry_every_function_runs() {
    let source = Source::default();
    assert_eq!(source.find(1).await.unwrap().load, 1);
    assert_eq!(source.find(1).await.unwrap().load, 2);
    assert_eq!(source.find_many(vec![1]).await.unwrap().len(), 1);
    assert_eq!(source.squares("a", vec![2]).await[&2], "a4");
    assert_eq!(source.maybe(1).await, Some(4));
}
