//! What the cache attributes rest on: functions run whether or not there is a cache.

use std::time::Duration;

use klg_lock::cache::attribute::{Request, Target, current, current_on, evict, evict_strict, of};
use klg_lock::{CacheError, Config, Registry};

struct Failure;

async fn registry() -> Registry {
    let config = Config::default().uri("memory://");
    Registry::builder().config(config).build().await.unwrap()
}

async fn find(load: u32) -> Result<u32, Failure> {
    Request::new(current("find"), || "k".into())
        .ttl(Duration::from_secs(60))
        .tags(|| ["t".to_owned()])
        .using(|| async move { Ok(load) }, |_| true)
        .await
}

#[tokio::test]
async fn without_a_registry_the_function_runs() {
    assert!(matches!(find(1).await, Ok(1)));
    assert!(matches!(find(2).await, Ok(2)));
    evict(current("find"), Target::Key("k")).await;
    let strict = evict_strict(current("find"), Target::Key("k")).await;
    assert!(matches!(strict, Err(CacheError::NotInitialized)));
}

#[tokio::test]
async fn in_a_registry_it_is_cached_put_and_evicted() {
    let registry = registry().await;
    let scoped = async {
        assert!(matches!(find(1).await, Ok(1)));
        assert!(matches!(find(2).await, Ok(1)));
        evict(current("find"), Target::Key("k")).await;
        assert!(matches!(find(3).await, Ok(3)));
        evict_strict(current("find"), Target::Tag("t"))
            .await
            .unwrap();
        assert!(matches!(find(4).await, Ok(4)));
        let put = Request::new(current("save"), || "k".into()).tags(|| ["t".to_owned()]);
        put.put(&5_u32).await;
        assert!(matches!(find(6).await, Ok(5)));
        let past = Request::new(current("find"), || "k".into()).condition(false);
        assert_eq!(past.using_value(|| async { 7_u32 }, |_| true).await, 7);
        let unknown = Request::new(current_on("nobody", "find"), || "k".into());
        assert_eq!(unknown.using_value(|| async { 8_u32 }, |_| true).await, 8);
    };
    registry.scope(scoped).await;
    let own = registry.cache();
    let request = Request::new(of(&own, "own"), || "k".into()).tags(|| ["t".to_owned()]);
    assert_eq!(request.using_value(|| async { 9_u32 }, |_| true).await, 5);
    let stats = own.stats();
    assert_eq!(stats.of("find").unwrap().loads, 3);
    assert_eq!(stats.of("own").unwrap().l2_hits, 1);
}

/// A load in a task of its own has the registry under which it was asked for, and asks past the
/// cache for its own key.
#[tokio::test(start_paused = true)]
async fn a_background_refresh_carries_its_registry() {
    let registry = registry().await;
    let cache = registry.cache();
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let call = || {
        let sender = sender.clone();
        let request = Request::new(current("slow"), || "k".into())
            .ttl(Duration::from_secs(1))
            .stale(Duration::from_secs(60));
        let load = move || async move {
            let registry = klg_lock::registry().map_err(drop)?;
            let nested: u32 = registry.cache().using_value("k", || async { 10 }).await;
            sender.send(nested).map_err(drop)?;
            Ok::<u32, ()>(nested + 1)
        };
        request.using_background(load, |_| true)
    };
    let scoped = async {
        assert_eq!(call().await, Ok(11));
        assert_eq!(seen.recv().await, Some(10));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(call().await, Ok(11));
    };
    registry.scope(scoped).await;
    let nested = tokio::time::timeout(Duration::from_secs(5), seen.recv()).await;
    assert_eq!(
        nested,
        Ok(Some(10)),
        "it is loaded, under the same registry"
    );
    assert_eq!(cache.stats().of("slow").unwrap().load_errors, 0);
}
