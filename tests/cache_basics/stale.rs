//! Values that are stale: served, refreshed, and a stand-in for a load that fails.

use super::*;

everywhere! {
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
}
