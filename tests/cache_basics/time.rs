//! What time does to values, on a clock that is paused.

use klg_lock::testing::MemoryServer;

use super::*;

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
