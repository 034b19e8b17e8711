//! Loads: shared, failing, dropped, and nested.

use super::*;

everywhere! {
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
}
