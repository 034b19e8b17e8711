//! The clock validity is measured with.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time on one engine's clock: the time since an origin that has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(Duration);

impl Moment {
    pub(crate) const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// Time from `earlier` to here; zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration))
    }
}

/// A monotonic clock.
pub(crate) trait Clock: fmt::Debug + Send + Sync {
    fn now(&self) -> Moment;
}

/// Counts on while the machine is suspended, as the servers' clocks do: a laptop that wakes up, or
/// a virtual machine that is resumed, must not believe in a lock that expired meanwhile.
///
/// `CLOCK_BOOTTIME` on Linux. Elsewhere the standard monotonic clock, which counts suspended time
/// on Windows and does not on macOS.
#[derive(Debug)]
pub(crate) struct BootClock {
    #[cfg(not(target_os = "linux"))]
    origin: std::time::Instant,
}

impl BootClock {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(not(target_os = "linux"))]
            origin: std::time::Instant::now(),
        }
    }
}

impl Clock for BootClock {
    #[cfg(target_os = "linux")]
    fn now(&self) -> Moment {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Moment(Duration::new(seconds, nanos))
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }
}

/// Tokio's clock, which tests can pause: the clock of engines whose nodes are all in memory.
#[derive(Debug)]
pub(crate) struct TokioClock {
    origin: tokio::time::Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }
}
