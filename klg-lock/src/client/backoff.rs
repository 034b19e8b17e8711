//! How long to wait between two attempts to connect.

use std::time::Duration;

use rand::RngExt;

/// A jittered, doubling, capped delay. The first attempt after a loss comes at once.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    attempt: u32,
}

/// The first real delay: short, so that a server that only restarts is found again at once.
const FIRST: Duration = Duration::from_millis(50);
/// Thousands of clients must not hammer a server that is coming up.
const LONGEST: Duration = Duration::from_secs(2);
/// A request that arrives while the server is away cuts the delay short to this, so that the first
/// one after a restart is not kept waiting, and a stream of them is no storm of connections.
const DEMANDED: Duration = Duration::from_millis(100);
/// Wrong credentials do not get right by asking ten times a second.
const DEMANDED_PERMANENT: Duration = Duration::from_millis(500);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { attempt: 0 }
    }

    /// The next delay: none, then 25 to 50 ms, 50 to 100 ms, and so on up to 1 to 2 s.
    pub(crate) fn next(&mut self) -> Duration {
        let attempt = self.attempt;
        self.attempt = attempt.saturating_add(1);
        let Some(doublings) = attempt.checked_sub(1) else {
            return Duration::ZERO;
        };
        let ceiling = FIRST
            .saturating_mul(1_u32.checked_shl(doublings.min(16)).unwrap_or(u32::MAX))
            .min(LONGEST);
        ceiling.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// What is left of a delay once somebody waits for the connection.
    pub(crate) fn demanded(remaining: Duration, transient: bool) -> Duration {
        remaining.min(if transient {
            DEMANDED
        } else {
            DEMANDED_PERMANENT
        })
    }

    /// After a connection that worked.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_immediate_and_the_delays_double_up_to_the_cap() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(), Duration::ZERO);
        let mut ceiling = FIRST;
        for _ in 0..100 {
            let delay = backoff.next();
            assert!(
                delay <= ceiling && delay >= ceiling / 2,
                "{delay:?} of {ceiling:?}"
            );
            ceiling = (ceiling * 2).min(LONGEST);
        }
        backoff.reset();
        assert_eq!(backoff.next(), Duration::ZERO);
    }

    #[test]
    fn a_waiting_request_shortens_the_delay() {
        assert_eq!(Backoff::demanded(LONGEST, true), DEMANDED);
        assert_eq!(Backoff::demanded(LONGEST, false), DEMANDED_PERMANENT);
        let short = Duration::from_millis(3);
        assert_eq!(Backoff::demanded(short, true), short);
    }
}
