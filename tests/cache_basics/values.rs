//! One value: loaded once, put, read and evicted; and what is none.

use super::*;

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
