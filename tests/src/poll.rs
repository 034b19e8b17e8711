//! Futures seen from outside: cancelled after a number of polls; conditions that come true.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take to come true; a busy machine is slow, a broken promise is for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Drives a future through at most `polls` polls, and drops it where it stands if it wants more.
/// `None`: it was dropped.
pub async fn cancelled_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits, blocking, until something that is promised without a time comes true.
///
/// For what happens outside the process: tasks of the same runtime thread stand still meanwhile.
///
/// # Panics
/// If it does not within half a minute.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < PATIENCE,
            "it never came true that {what} (waited {PATIENCE:?})"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

/// Like [`wait_until`], but lets the runtime's other tasks run, and returns how long it took.
///
/// # Panics
/// If it does not come true within `bound`.
pub async fn within(bound: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < bound,
            "it did not come true within {bound:?} that {what}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}
