//! The circuit breaker: a server that fails time after time is left alone for a while.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{NodeError, NodeErrorKind};
use crate::sync::lock;

/// Counts failures in a row. One operation at a time finds out whether the server is back.
pub(crate) struct Breaker {
    failures: u32,
    pause: Duration,
    /// Something has failed since the last success; else there is nothing to be looked at.
    troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    /// Until then the server is left alone; whoever comes first after that tries.
    open_until: Option<Instant>,
    /// Somebody has been told of this outage.
    reported: bool,
    /// The server answers, but takes no writes, and somebody has been told.
    refusing: bool,
}

impl Breaker {
    pub(crate) fn new(failures: u32, pause: Duration) -> Self {
        Self {
            failures,
            pause,
            troubled: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// Whether an operation may be tried now.
    pub(crate) fn allows(&self) -> bool {
        if !self.troubled.load(Ordering::Acquire) {
            return true;
        }
        let mut state = lock(&self.state);
        let Some(until) = state.open_until else {
            return true;
        };
        let now = Instant::now();
        if now < until {
            return false;
        }
        // This one tries; the others go on without the server until it has succeeded.
        state.open_until = Some(now + self.pause);
        true
    }

    /// An operation was answered.
    pub(crate) fn succeeded(&self, server: &str) {
        if !self.troubled.load(Ordering::Acquire) {
            return;
        }
        let mut state = lock(&self.state);
        self.troubled.store(state.refusing, Ordering::Release);
        state.in_a_row = 0;
        state.open_until = None;
        if std::mem::take(&mut state.reported) {
            tracing::info!(server, "the cache's server answers again");
        }
    }

    /// The server took a write.
    pub(crate) fn written(&self, server: &str) {
        // It stays troubled for as long as it refuses: no other state outlives a success.
        if !self.troubled.load(Ordering::Acquire) {
            return;
        }
        if std::mem::take(&mut lock(&self.state).refusing) {
            tracing::info!(server, "the cache's server takes writes again");
        }
    }

    /// An operation failed. An outage is reported once.
    pub(crate) fn failed(&self, server: &str, error: &NodeError) {
        let mut state = lock(&self.state);
        self.troubled.store(true, Ordering::Release);
        if answers(error.kind()) {
            // It lives: reads are worth asking for, though it takes no writes.
            state.in_a_row = 0;
            state.open_until = None;
            if !std::mem::replace(&mut state.refusing, true) {
                tracing::warn!(server, %error, "the cache's server refuses an operation; functions run, and are not cached");
            }
            return;
        }
        state.in_a_row = state.in_a_row.saturating_add(1);
        if state.in_a_row >= self.failures {
            state.open_until = Some(Instant::now() + self.pause);
        }
        if !std::mem::replace(&mut state.reported, true) {
            tracing::warn!(server, %error, "the cache's server fails; functions run without it until it is back");
        }
    }
}

/// Whether a server that fails so can still be asked.
fn answers(kind: NodeErrorKind) -> bool {
    matches!(
        kind,
        NodeErrorKind::OutOfMemory | NodeErrorKind::ReadOnly | NodeErrorKind::Forbidden
    )
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&lock(&self.state)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn outage() -> NodeError {
        NodeError::new(NodeErrorKind::TimedOut, "no answer")
    }

    #[tokio::test(start_paused = true)]
    async fn after_failures_in_a_row_one_operation_at_a_time_looks_whether_the_server_is_back() {
        let breaker = Breaker::new(3, PAUSE);
        for _ in 0..3 {
            assert!(breaker.allows());
            breaker.failed("s", &outage());
        }
        assert!(!breaker.allows());
        tokio::time::advance(PAUSE).await;
        assert!(breaker.allows());
        assert!(!breaker.allows());
        tokio::time::advance(PAUSE).await;
        assert!(breaker.allows());
        breaker.succeeded("s");
        assert!(breaker.allows() && breaker.allows());
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_in_between_begins_the_count_anew() {
        let breaker = Breaker::new(2, PAUSE);
        for _ in 0..5 {
            breaker.failed("s", &outage());
            breaker.succeeded("s");
            assert!(breaker.allows());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_writes_is_still_read_from() {
        let breaker = Breaker::new(1, PAUSE);
        let full = NodeError::new(NodeErrorKind::OutOfMemory, "OOM");
        breaker.failed("s", &full);
        assert!(breaker.allows());
    }
}
