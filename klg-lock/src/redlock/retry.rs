//! How a waiting request paces itself where nobody wakes it.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::config::BufferConfig;

/// How long and how often a buffer lock tries.
///
/// # Default
/// * `wait`: 10 minutes. Long enough for any queue that still makes sense to stand in.
/// * `count`: 0, which means no limit by count.
/// * `delay`: 400 ms, and `jitter`: up to 400 ms more. Used only where the servers send no
///   wake-ups; a quarter of a second to a second is what people tolerate and servers do not notice.
///
/// ```
/// use klg_lock::Retry;
/// use std::time::Duration;
///
/// let patient = Retry::default().wait(Duration::from_secs(3600)).delay(Duration::from_secs(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub(crate) wait: Duration,
    pub(crate) count: u32,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
}

impl Retry {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            wait: Duration::from_secs(600),
            count: 0,
            delay: Duration::from_millis(400),
            jitter: Duration::from_millis(400),
        }
    }

    /// Gives up after this long.
    #[must_use = "returns the changed settings"]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Gives up after this many tries, the first included; 0: no limit by count.
    #[must_use = "returns the changed settings"]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// The least time between two tries where the servers send no wake-ups.
    #[must_use = "returns the changed settings"]
    pub const fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Up to this much is added to each delay at random, so that waiters do not ask in step.
    #[must_use = "returns the changed settings"]
    pub const fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// The delays of one request, without end.
    pub(crate) fn delays(&self) -> Delays {
        self.delays_from(SmallRng::from_rng(&mut rand::rng()))
    }

    fn delays_from(&self, rng: SmallRng) -> Delays {
        Delays {
            base: self.delay,
            jitter: self.jitter,
            rng,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&BufferConfig> for Retry {
    fn from(config: &BufferConfig) -> Self {
        Self {
            wait: config.wait,
            count: config.retry_count,
            delay: config.retry_delay,
            jitter: config.retry_jitter,
        }
    }
}

impl From<Retry> for BufferConfig {
    fn from(retry: Retry) -> Self {
        Self::default()
            .wait(retry.wait)
            .retry_count(retry.count)
            .retry_delay(retry.delay)
            .retry_jitter(retry.jitter)
    }
}

/// The delays of one request; every request has its own, so that nothing is shared between them.
#[derive(Debug)]
pub(crate) struct Delays {
    base: Duration,
    jitter: Duration,
    rng: SmallRng,
}

impl Delays {
    /// A random share of `span`.
    pub(crate) fn up_to(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.rng.random_range(0.0..1.0))
    }

    /// The pause after the `split`-th split vote in a row (counted from 0): random, and growing up
    /// to 16 ms or eight round trips, whichever is more. A pause that is shorter than a round trip
    /// leaves contenders as close together as they were.
    pub(crate) fn after_split(&mut self, split: u32, round_trip: Duration) -> Duration {
        let span = Duration::from_millis(1 << split.min(4));
        let trips = round_trip.saturating_mul(1 << split.min(3));
        Duration::from_micros(200) + self.up_to(span.max(trips))
    }
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let jitter = self.up_to(self.jitter);
        Some(self.base.saturating_add(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_stay_between_delay_and_delay_plus_jitter(delay in 0_u64..5_000, jitter in 0_u64..5_000, seed: u64) {
            let retry = Retry::new().delay(Duration::from_millis(delay)).jitter(Duration::from_millis(jitter));
            for pause in retry.delays_from(SmallRng::seed_from_u64(seed)).take(50) {
                prop_assert!(pause >= Duration::from_millis(delay));
                prop_assert!(pause <= Duration::from_millis(delay + jitter));
            }
        }

        #[test]
        fn the_same_seed_gives_the_same_delays(seed: u64) {
            let retry = Retry::default();
            let run = || retry.delays_from(SmallRng::seed_from_u64(seed)).take(5).collect::<Vec<_>>();
            prop_assert_eq!(run(), run());
        }

        #[test]
        fn a_split_is_resolved_in_milliseconds(seed: u64, split in 0_u32..100) {
            let mut delays = Retry::default().delays_from(SmallRng::seed_from_u64(seed));
            let near = Duration::from_millis(1);
            prop_assert!(delays.after_split(split, near) <= Duration::from_millis(17));
            let far = Duration::from_millis(30);
            prop_assert!(delays.after_split(split, far) <= far * 8 + near);
        }
    }
}
