//! A memory server's wall clock: what Redis would answer to `TIME`, derived from tokio's clock.
//!
//! Expiry is judged on this clock, as on a Redis server, so that a step or a drift of it shortens
//! or lengthens the life of the keys.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Microseconds since the Unix epoch, by the node's own reckoning.
pub(crate) type Micros = u64;

/// The moment at which this process first looked, on both clocks. Shared by all servers, so that a
/// server that is dropped and opened again under paused time does not fall back behind its tokens.
static ORIGIN: OnceLock<(Instant, Micros)> = OnceLock::new();

#[derive(Debug)]
pub(crate) struct Clock {
    /// Where the current rate began: the instant, and what the clock showed then.
    anchor: Instant,
    shown: Micros,
    /// How much faster than real time the clock runs, in parts per million.
    drift: i64,
    /// The latest instant seen. A thread outside a runtime whose time is paused reads the machine's
    /// clock, which may lag behind; expired keys must not come back to life for it.
    latest: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let (origin, shown) = *ORIGIN.get_or_init(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
            (now, micros(since_epoch.unwrap_or_default()))
        });
        let elapsed = micros(now.saturating_duration_since(origin));
        Self {
            anchor: now,
            shown: shown.saturating_add(elapsed),
            drift: 0,
            latest: now,
        }
    }

    /// Sets the clock, and how much faster than real time it runs from here on.
    #[cfg(any(test, feature = "test-kit"))]
    pub(super) fn set(&mut self, shown: Micros, drift: i64) {
        self.now();
        self.anchor = self.latest;
        self.shown = shown;
        self.drift = drift;
    }

    #[cfg(any(test, feature = "test-kit"))]
    pub(super) fn drift(&self) -> i64 {
        self.drift
    }

    /// The node's `TIME`.
    pub(crate) fn now(&mut self) -> Micros {
        self.latest = self.latest.max(Instant::now());
        let elapsed = micros(self.latest.saturating_duration_since(self.anchor));
        let gained = i128::from(elapsed) * i128::from(self.drift) / 1_000_000;
        let now = i128::from(self.shown) + i128::from(elapsed) + gained;
        Micros::try_from(now.max(0)).unwrap_or(Micros::MAX)
    }
}

/// Whole microseconds; saturates at the end of time.
pub(crate) fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// A TTL as Redis takes it, in whole milliseconds and rounded up, expressed in microseconds.
pub(crate) fn ttl_micros(ttl: Duration) -> Micros {
    micros(ttl).div_ceil(1000).saturating_mul(1000)
}
