//! What the cache promises of one process, on a server in memory and on Redis alike.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use klg_lock::config::L1Config;
use klg_lock::{Cache, CacheConfig, CacheError, Config, Registry};
use klg_lock_tests::Server;
use klg_lock_tests::poll::{cancelled_after, within};
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

// Below the macro, which they use.
mod codecs;
mod evictions;
mod loads;
mod many;
mod stale;
mod time;
mod values;

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
