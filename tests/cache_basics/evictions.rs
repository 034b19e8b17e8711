//! Evictions by tag, of everything, and while a load is under way.

use super::*;

everywhere! {
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
}
