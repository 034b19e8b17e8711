//! `#[cache_put]` and `#[cache_evict]`: when they act, on which keys and tags, and what their failures
//! do. Each on a server in memory and on a real one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use klg_lock::{
    Cache, CacheConfig, CacheError, Config, LockError, Registry, buffer_lock, cache_evict,
    cache_put, cached,
};
use klg_lock_tests::Server;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
enum AppError {
    Cache(CacheError),
    Lock,
    Refused,
}

impl From<CacheError> for AppError {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

impl From<LockError> for AppError {
    fn from(_: LockError) -> Self {
        Self::Lock
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    org: String,
}

fn user(id: u64) -> User {
    User {
        id,
        org: "acme".into(),
    }
}

async fn registry(uri: &str) -> Registry {
    let cache = CacheConfig::default()
        .ttl_jitter(0.0)
        .beta(0.0)
        .timeout(Duration::from_secs(1));
    let config = Config::default().uri(uri).cache(cache);
    Registry::builder().config(config).build().await.unwrap()
}

/// Runs a test on each kind of server, with a registry of its own.
async fn on_each<F: AsyncFn(Cache, Users)>(test: F) {
    let server = Server::start();
    for uri in ["memory://".to_owned(), server.uri()] {
        let registry = registry(&uri).await;
        let users = Users::default();
        registry.scope(test(registry.cache(), users)).await;
        registry.shutdown().await.unwrap();
    }
}

#[derive(Default)]
struct Users {
    loads: AtomicU32,
    fails: AtomicBool,
}

impl Users {
    fn outcome<T>(&self, value: T) -> Result<T, AppError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(AppError::Refused);
        }
        Ok(value)
    }

    #[cached("user:{id}", tags = ["users", "org:acme"])]
    async fn find(&self, id: u64) -> Result<User, AppError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        Ok(user(id))
    }

    fn loads(&self) -> u32 {
        self.loads.load(Ordering::Relaxed)
    }

    #[cache_put("user:{user.id}")]
    async fn save(&self, user: User) -> Result<User, AppError> {
        self.outcome(user)
    }

    #[cache_put("{prefix}:{return.id}", tags = ["users", "org:{return.org}"], unless = |user| user.id == 13)]
    async fn create(&self, prefix: String, id: u64) -> Result<User, AppError> {
        drop(prefix);
        self.outcome(user(id + 1))
    }

    #[cache_put(scope = "user", condition = *id != 5)]
    async fn rename(&self, #[cache_key] id: &u64, org: &str) -> Option<User> {
        let org = org.to_owned();
        (!org.is_empty()).then_some(User { id: *id, org })
    }

    #[cache_evict("user:{id}")]
    async fn delete(&self, id: u64) -> Result<(), AppError> {
        self.outcome(())
    }

    #[cache_evict("user:{id}", before)]
    async fn delete_before(&self, cache: &Cache, id: u64) -> Result<Option<User>, AppError> {
        let left = cache.get(&format!("user:{id}")).await?;
        self.outcome(left)
    }

    #[cache_evict(tag = "org:{org}")]
    async fn close_org(&self, org: &str) -> Result<(), AppError> {
        self.outcome(())
    }

    #[cache_evict("user:{return.id}", tags = ["lists", "of:{return.org}"], unless = |user| user.id == 3)]
    async fn replace(&self, id: u64) -> Result<User, AppError> {
        self.outcome(user(id))
    }

    #[cache_evict(key = ["user:1", "user:{id}"], condition = id > 1)]
    async fn two(&self, id: u64) -> u64 {
        id
    }

    #[cache_evict(all)]
    async fn forget_everything(&self) {}

    #[cache_evict("user:{id}", strict)]
    async fn delete_surely(&self, id: u64) -> Result<u64, AppError> {
        self.outcome(id)
    }

    #[cache_evict("user:{id}", strict, before)]
    async fn delete_surely_before(&self, id: u64) -> Result<u64, AppError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    #[buffer_lock("change:{id}")]
    #[cache_put("user:{return.id}")]
    #[cache_evict(tag = "lists")]
    async fn change(&self, id: u64) -> Result<User, AppError> {
        self.outcome(user(id))
    }
}

async fn stands(cache: &Cache, key: &str) -> bool {
    cache.get::<User>(key).await.unwrap().is_some()
}

#[tokio::test]
async fn what_a_function_returned_is_put_after_success_alone() {
    on_each(async |cache, users| {
        users.fails.store(true, Ordering::Relaxed);
        assert!(matches!(users.save(user(1)).await, Err(AppError::Refused)));
        assert!(!stands(&cache, "user:1").await);
        users.fails.store(false, Ordering::Relaxed);
        users.save(user(1)).await.unwrap();
        assert_eq!(cache.get("user:1").await.unwrap(), Some(user(1)));
        assert_eq!(users.find(2).await.unwrap(), user(2));
        users.save(user(2)).await.unwrap();
        assert_eq!(users.loads(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_key_and_the_tags_may_name_what_the_function_returned() {
    on_each(async |cache, users| {
        users.create("user".into(), 6).await.unwrap();
        assert!(stands(&cache, "user:7").await);
        assert_eq!(users.find(7).await.unwrap(), user(7));
        assert_eq!(users.loads(), 0);
        cache.evict_tag("org:acme").await.unwrap();
        assert!(!stands(&cache, "user:7").await);
        users.create("user".into(), 12).await.unwrap();
        assert!(!stands(&cache, "user:13").await);
    })
    .await;
}

#[tokio::test]
async fn an_absence_that_is_put_removes_what_was_there() {
    on_each(async |cache, users| {
        assert!(users.rename(&1, "globex").await.is_some());
        let kept: Option<Option<User>> = cache.get("user:1").await.unwrap();
        assert_eq!(kept.flatten().unwrap().org, "globex");
        assert_eq!(users.rename(&1, "").await, None);
        let kept: Option<Option<User>> = cache.get("user:1").await.unwrap();
        assert_eq!(kept, None);
        assert!(users.rename(&5, "globex").await.is_some());
        let kept: Option<Option<User>> = cache.get("user:5").await.unwrap();
        assert_eq!(kept, None);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_evicted_after_success_or_before_the_body() {
    on_each(async |cache, users| {
        users.find(1).await.unwrap();
        users.fails.store(true, Ordering::Relaxed);
        assert!(matches!(users.delete(1).await, Err(AppError::Refused)));
        assert!(stands(&cache, "user:1").await);
        // Before the body it goes whatever the body does, and the body sees that.
        assert!(users.delete_before(&cache, 1).await.is_err());
        assert!(!stands(&cache, "user:1").await);
        users.fails.store(false, Ordering::Relaxed);
        users.find(1).await.unwrap();
        let seen = users.delete_before(&cache, 1).await.unwrap();
        assert_eq!(seen, None);
        users.find(1).await.unwrap();
        users.delete(1).await.unwrap();
        assert!(!stands(&cache, "user:1").await);
        assert_eq!(users.loads(), 3);
    })
    .await;
}

#[tokio::test]
async fn tags_several_keys_and_everything_are_evicted() {
    on_each(async |cache, users| {
        let all = async || {
            for id in 1..=3 {
                users.find(id).await.unwrap();
            }
        };
        let left = async || {
            let mut left = Vec::new();
            for id in 1..=3_u64 {
                left.extend(stands(&cache, &format!("user:{id}")).await.then_some(id));
            }
            left
        };
        all().await;
        users.close_org("globex").await.unwrap();
        assert_eq!(left().await, [1, 2, 3]);
        users.close_org("acme").await.unwrap();
        assert_eq!(left().await, [] as [u64; 0]);
        all().await;
        assert_eq!(users.two(1).await, 1);
        assert_eq!(left().await, [1, 2, 3]);
        assert_eq!(users.two(2).await, 2);
        assert_eq!(left().await, [3]);
        users.forget_everything().await;
        assert_eq!(left().await, [] as [u64; 0]);
        let listed = cache.entry("list").tags(["of:acme"]);
        listed.put(&user(0)).await.unwrap();
        all().await;
        users.replace(3).await.unwrap();
        assert!(stands(&cache, "list").await);
        users.replace(2).await.unwrap();
        assert!(!stands(&cache, "list").await);
        assert_eq!(left().await, [1, 3]);
    })
    .await;
}

#[tokio::test]
async fn several_attributes_on_one_function() {
    on_each(async |cache, users| {
        let listed = cache.entry("list").tags(["lists"]);
        listed.clone().put(&user(0)).await.unwrap();
        users.fails.store(true, Ordering::Relaxed);
        assert!(users.change(4).await.is_err());
        assert!(stands(&cache, "list").await && !stands(&cache, "user:4").await);
        users.fails.store(false, Ordering::Relaxed);
        users.change(4).await.unwrap();
        assert!(!stands(&cache, "list").await && stands(&cache, "user:4").await);
    })
    .await;
}

/// An eviction that the server does not take is repeated, and a failure of the function where it
/// is to be sure of it.
#[tokio::test]
async fn a_strict_eviction_fails_with_its_server_and_any_other_does_not() {
    let server = Server::start();
    let registry = registry(&server.uri()).await;
    let users = Users::default();
    let scoped = async {
        users.delete_surely(1).await.unwrap();
        users.delete_surely_before(1).await.unwrap();
        server.kill();
        users.delete(1).await.unwrap();
        users.save(user(1)).await.unwrap();
        let after = users.delete_surely(1).await;
        assert!(
            matches!(after, Err(AppError::Cache(CacheError::Unavailable { .. }))),
            "{after:?}"
        );
        let ran = users.loads();
        let before = users.delete_surely_before(1).await;
        assert!(
            matches!(before, Err(AppError::Cache(CacheError::Unavailable { .. }))),
            "{before:?}"
        );
        assert_eq!(users.loads(), ran, "the body does not run");
    };
    registry.scope(scoped).await;
}

#[tokio::test]
async fn without_a_registry_nothing_but_a_strict_eviction_fails() {
    let users = Users::default();
    users.save(user(1)).await.unwrap();
    users.delete(1).await.unwrap();
    users.close_org("acme").await.unwrap();
    let strict = users.delete_surely(1).await;
    assert!(matches!(
        strict,
        Err(AppError::Cache(CacheError::NotInitialized))
    ));
}
