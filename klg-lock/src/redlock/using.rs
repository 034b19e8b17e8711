//! Running a routine under a lock.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::guard::{Hold, Lock, LockHandle};
use super::held;
use super::settings::OnLost;
use crate::error::LockError;

/// A lock that was taken for a routine, before the routine is there: it may still decide, on the way
/// to the lock, what it takes with it.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(super) lock: Lock,
    pub(super) on_lost: OnLost,
    pub(super) deferred: bool,
}

impl Entered {
    /// Runs `routine` under the lock, and releases afterwards, whatever happens.
    ///
    /// The routine's locals and everything it captured are dropped before the release: by scope when
    /// it returns or is cancelled, and by the order of declaration when this future is dropped or
    /// unwinds.
    pub(crate) async fn run<F, Fut>(self, routine: F) -> Result<Fut::Output, LockError>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        let Self {
            lock,
            on_lost,
            deferred,
        } = self;
        let handle = lock.handle();
        let hold = &lock.hold;
        let _running = hold.core().body_began();
        let output = {
            let handle = handle.clone();
            // The closure runs inside, too: what it locks is checked against what is held.
            let body = held::holding(hold.core().id(), hold.keys(), async move {
                routine(handle).await
            });
            let ended = hold.ended();
            let (body, ended) = (std::pin::pin!(body), std::pin::pin!(ended));
            match on_lost {
                OnLost::Signal => Ok(body.await),
                OnLost::Cancel => Guarded { body, ended, hold }.await,
            }
        };
        let output = output?;
        if deferred {
            lock.release_later();
        } else if let Err(error) = lock.release().await {
            tracing::warn!(%error, "the routine is done, but its lock was not released cleanly");
        }
        Ok(output)
    }
}

/// The body, polled only while the lock is held.
struct Guarded<'a, B, E> {
    body: Pin<&'a mut B>,
    ended: Pin<&'a mut E>,
    hold: &'a Hold,
}

impl<B: Future, E: Future<Output = ()>> Future for Guarded<'_, B, E> {
    type Output = Result<B::Output, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The clock is asked at every poll: after a suspension timers are late.
        if !self.hold.check() || self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(self.hold.lost_error()));
        }
        self.body.as_mut().poll(cx).map(Ok)
    }
}
