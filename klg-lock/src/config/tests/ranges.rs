//! Durations and numbers out of range.

use super::*;

#[test]
fn a_ttl_out_of_range_is_refused() {
    for (ttl, shown) in [
        (Duration::ZERO, "0s"),
        (Duration::from_millis(4), "4ms"),
        (Duration::from_secs(30 * 24 * 3600), "30days"),
    ] {
        assert_eq!(
            refused(&redlock(|redlock| redlock.ttl(ttl))),
            format!(
                "configuration: redlock.ttl is {shown}, but must be from 5ms to 24days 20h 31m 23s 647ms"
            )
        );
    }
    assert!(refused(&redlock(|redlock| redlock.ttl(Duration::MAX))).contains("redlock.ttl is "));
    assert_eq!(
        refused(&redlock(|redlock| redlock.max_ttl(Duration::from_secs(30)))),
        "configuration: redlock.ttl of 1m is longer than redlock.max_ttl of 30s"
    );
}

#[test]
fn a_drift_factor_must_leave_validity() {
    for factor in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refused(&redlock(|redlock| redlock.drift_factor(factor))),
            format!(
                "configuration: redlock.drift_factor is {factor}, but must be at least 0 and below 1"
            )
        );
    }
    let ttl = Duration::from_millis(10);
    assert_eq!(
        refused(&redlock(|redlock| redlock.ttl(ttl).drift_factor(0.9))),
        "configuration: redlock.ttl of 10ms leaves no validity at a redlock.drift_factor of 0.9; raise the one or lower the other"
    );
}

#[test]
fn durations_that_would_end_before_they_begin_are_refused() {
    let zero = Duration::ZERO;
    let cases = [
        (
            redlock(|s| s.node_timeout(zero)),
            "redlock.node_timeout is 0s, but must be at least 1ms",
        ),
        (
            redlock(|s| s.max_hold(zero)),
            "redlock.max_hold is 0s, but must be at least 5ms",
        ),
        (
            buffer(|s| s.wait(zero)),
            "redlock.buffer.wait is 0; a lock that does not wait is a mutex lock, so use that",
        ),
        (
            buffer(|s| s.retry_delay(zero)),
            "redlock.buffer.retry_delay is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.ttl(zero)),
            "cache.ttl is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.none_ttl(zero)),
            "cache.none_ttl is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.timeout(zero)),
            "cache.timeout is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.load_timeout(zero)),
            "cache.load_timeout is 0s, but must be at least 1ms",
        ),
        (
            client("a", |s| s.connect_timeout(zero)),
            "redis.clients.a.connect_timeout is 0s, but must be at least 1ms",
        ),
        (
            Config::default().redis(RedisConfig::default().response_timeout(zero)),
            "redis.response_timeout is 0s, but must be at least 1ms",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(refused(&config), format!("configuration: {message}"));
    }
}

#[test]
fn durations_without_end_are_refused() {
    let endless = Duration::from_secs(u64::MAX / 2);
    for config in [
        redlock(|s| s.node_timeout(endless)),
        redlock(|s| s.max_hold(endless)),
        redlock(|s| s.handover_time(endless)),
        redlock(|s| s.shutdown_grace(endless)),
        buffer(|s| s.wait(endless)),
        buffer(|s| s.retry_delay(endless)),
        buffer(|s| s.retry_jitter(endless)),
        cache(|s| s.ttl(endless)),
        cache(|s| s.stale(endless)),
        cache(|s| s.breaker_pause(endless)),
        client("a", |s| s.response_timeout(endless)),
    ] {
        let message = refused(&config);
        assert!(
            message.ends_with(", but must be at most a year"),
            "{message}"
        );
    }
}

#[test]
fn numbers_of_the_cache_are_checked() {
    let cases = [
        (
            cache(|s| s.beta(-1.0)),
            "cache.beta is -1, but must be a number from 0 (no early refresh) upwards",
        ),
        (
            cache(|s| s.ttl_jitter(1.0)),
            "cache.ttl_jitter is 1, but must be at least 0 and below 1",
        ),
        (
            cache(|s| s.refreshes(0_u32)),
            "cache.refreshes is 0, but must be at least 1",
        ),
        (
            cache(|s| s.breaker_failures(0_u32)),
            "cache.breaker_failures is 0, but must be at least 1",
        ),
        (
            cache(|s| s.l1(L1Config::default().max_bytes(0_u64))),
            "cache.l1.max_bytes is 0, but must be at least 1",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(refused(&config), format!("configuration: {message}"));
    }
}
