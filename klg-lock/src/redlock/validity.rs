//! How long a holder may believe in its lock.

use std::time::Duration;

/// Node clocks tick in whole milliseconds and expire a key up to one tick early; the second
/// millisecond covers the rounding of our own. As in the Redlock description.
const CLOCK_GRANULARITY: Duration = Duration::from_millis(2);

/// The smallest TTL that can be asked for: below it nothing is left after the granularity.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(5);

/// The largest TTL that can be asked for: about 24 days, far inside what `PEXPIRE` takes and what
/// the clocks here can add without overflow.
pub(crate) const MAX_TTL: Duration = Duration::from_millis(i32::MAX as u64);

/// What the TTL is worth, counted from before the first byte of the request that asked for it.
///
/// `ttl − (ttl × drift_factor + 2 ms)`, or `None` where nothing is left. The time the round takes
/// needs no term of its own, since counting begins before it.
pub(crate) fn validity(ttl: Duration, drift_factor: f64) -> Option<Duration> {
    let drift = ttl.mul_f64(drift_factor.clamp(0.0, 1.0));
    ttl.checked_sub(drift)?
        .checked_sub(CLOCK_GRANULARITY)
        .filter(|left| !left.is_zero())
}

/// The TTL that is worth at least `validity`: the inverse of [`validity`], rounded up. Of more than
/// [`MAX_TTL`] nobody can make use.
pub(crate) fn ttl_for(validity: Duration, drift_factor: f64) -> Duration {
    let ticks = CLOCK_GRANULARITY + Duration::from_millis(1);
    // Bounded first: the quotient of the largest duration would be none.
    (validity.min(MAX_TTL) + ticks).div_f64(1.0 - drift_factor.clamp(0.0, 0.99))
}

/// A lock is extended once less than this share of its TTL remains: after a third has passed, which
/// leaves room for two more tries before it ends.
pub(crate) fn renewal_threshold(ttl: Duration) -> Duration {
    ttl.mul_f64(2.0 / 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn validity_never_reaches_the_ttl(ms in 1_u64..10_000_000, drift in 0.0_f64..0.5) {
            let ttl = Duration::from_millis(ms);
            if let Some(valid) = validity(ttl, drift) {
                prop_assert!(!valid.is_zero());
                // A node whose clock runs fast by the whole factor still has the key.
                prop_assert!(valid.as_secs_f64() <= ttl.as_secs_f64() * (1.0 - drift) - 0.001_999);
            }
        }

        #[test]
        fn the_inverse_is_never_short(ms in 1_u64..10_000_000, drift in 0.0_f64..0.9) {
            let wanted = Duration::from_millis(ms);
            prop_assert!(validity(ttl_for(wanted, drift), drift).is_some_and(|valid| valid >= wanted));
        }

        #[test]
        fn a_longer_ttl_is_never_worth_less(a in 1_u64..1_000_000, b in 1_u64..1_000_000, drift in 0.0_f64..0.5) {
            let (a, b) = (a.min(b), a.max(b));
            prop_assert!(validity(Duration::from_millis(a), drift) <= validity(Duration::from_millis(b), drift));
        }
    }

    #[test]
    fn nothing_is_left_of_a_tiny_ttl() {
        assert_eq!(validity(Duration::from_millis(2), 0.01), None);
        assert!(validity(MIN_TTL, 0.01).is_some());
        assert_eq!(validity(Duration::from_secs(1), 1.0), None);
    }

    #[test]
    fn the_default_is_what_the_algorithm_says() {
        let left = validity(Duration::from_secs(60), 0.01);
        assert_eq!(left, Some(Duration::from_millis(60_000 - 600 - 2)));
    }
}
