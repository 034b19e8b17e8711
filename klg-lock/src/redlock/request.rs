//! One request for a lock: its options, and how it is carried out.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::guard::{Lock, LockHandle};
use super::held;
use super::progress::Progress;
use super::resources::IntoResources;
use super::retry::Retry;
use super::settings::{Kind, OnLost, check_max_hold, check_ttl};
use super::using::Entered;
use crate::error::LockError;
use crate::node::KeySet;

/// A request for a lock, made by [`Redlock::lock`](super::Redlock::lock); does nothing until
/// [`acquire`](Self::acquire), [`using`](Self::using) or [`try_using`](Self::try_using).
#[must_use = "a request does nothing until `acquire`, `using` or `try_using` is called"]
#[derive(Debug)]
pub struct LockRequest {
    pub(super) core: Arc<Core>,
    resources: Vec<String>,
    pub(super) ttl: Duration,
    pub(super) wait: Option<Duration>,
    /// Where it differs from the engine's.
    retry: Option<Box<Retry>>,
    pub(super) auto_extend: bool,
    pub(super) max_hold: Option<Duration>,
    on_lost: OnLost,
    deferred_release: bool,
    pub(super) fair: bool,
}

impl LockRequest {
    pub(crate) fn new<K: IntoResources>(core: &Arc<Core>, kind: Kind, resources: K) -> Self {
        let settings = &core.settings;
        Self {
            core: Arc::clone(core),
            resources: resources.into_resources(),
            ttl: settings.ttl,
            wait: (kind == Kind::Buffer).then_some(settings.buffer.wait),
            retry: None,
            auto_extend: settings.auto_extend,
            max_hold: settings.max_hold,
            on_lost: OnLost::default(),
            deferred_release: settings.deferred_release,
            fair: settings.fair,
        }
    }

    /// How long the nodes keep the lock without an extension; 5 ms to 24 days. After a crash of
    /// the holder, others wait this long.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Waits up to this long when the resource is held; zero: not at all.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = (!wait.is_zero()).then_some(wait);
        self
    }

    /// How a waiting request paces itself, its `wait` included.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.wait = Some(retry.wait);
        self.retry = Some(Box::new(retry));
        self
    }

    /// Whether the lock is extended in the background for as long as it is held.
    pub fn auto_extend(mut self, auto_extend: bool) -> Self {
        self.auto_extend = auto_extend;
        self
    }

    /// Ends the lock after this long, whatever its holder does; at least 5 ms.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.max_hold = Some(max_hold);
        self
    }

    /// What becomes of a routine whose lock is lost.
    pub fn on_lost(mut self, on_lost: OnLost) -> Self {
        self.on_lost = on_lost;
        self
    }

    /// Whether `using` returns before the nodes have confirmed the release: one round trip less
    /// for the caller. The release itself is queued all the same, before anything that follows.
    pub fn deferred_release(mut self, deferred: bool) -> Self {
        self.deferred_release = deferred;
        self
    }

    /// Serves this request in the order in which requests asked, across processes: first come,
    /// first served. It costs two to five commands a lock, however many processes wait. A waiter
    /// whose process died, or stands still, is passed over: at once where its connection is gone (it
    /// loses its place with it, should it come back), else within 13 seconds.
    ///
    /// Takes effect for a request that waits for one resource on one node: a quorum has no common
    /// order to keep. A request that does not ask for it may overtake those that do.
    pub fn fair(mut self, fair: bool) -> Self {
        self.fair = fair;
        self
    }

    /// Acquires the lock.
    ///
    /// # Errors
    /// [`LockError::Contended`] when it is held and the request does not wait,
    /// [`LockError::Timeout`] when it waited in vain, [`LockError::Unavailable`] when no quorum of
    /// nodes answered, [`LockError::WouldDeadlock`] when this very task holds it already,
    /// [`LockError::InvalidKey`], [`LockError::InvalidTtl`], [`LockError::Closed`].
    ///
    /// # Cancel safety
    /// Dropping the future at any point leaves nothing behind: the place in the queue is given up,
    /// and what the nodes granted, or grant later, is released in the background.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn keeps its arguments twice, and thousands may wait"
    )]
    pub fn acquire(mut self) -> impl Future<Output = Result<Lock, LockError>> + Send {
        async move {
            let mut keys = self.check()?;
            self.resources = Vec::new();
            let mut progress = Progress::begun(tokio::time::Instant::now());
            let until = self
                .wait
                .and_then(|wait| progress.since().checked_add(wait));
            let waited = match until {
                Some(until) => {
                    tokio::time::timeout_at(until, self.contend(&mut keys, &mut progress)).await
                }
                None => Ok(self.contend(&mut keys, &mut progress).await),
            };
            waited.unwrap_or_else(|_| {
                if progress.attempts == 0
                    && let Some(busy) = self.core.queues.busy(&keys)
                {
                    // Never at the head of its line, so that only this process knows who was.
                    progress.busy(busy);
                }
                Err(progress.gave_up(&keys))
            })
        }
    }

    /// Acquires the lock, runs `routine`, releases.
    ///
    /// The routine gets a handle on the lock. Its own result always comes back; a failure to
    /// release afterwards is reported as a `tracing` event. The lock is extended while the routine
    /// runs, unless `auto_extend` is off.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire), and [`LockError::Lost`] when exclusivity was lost: the
    /// routine was then dropped at its next await (see [`OnLost`]).
    ///
    /// # Cancel safety
    /// Dropping the future drops the routine and then releases the lock in the background.
    pub async fn using<F, Fut>(self, routine: F) -> Result<Fut::Output, LockError>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        self.enter().await?.run(routine).await
    }

    /// Like [`using`](Self::using), for a routine with errors of its own: one `?` for both.
    ///
    /// # Errors
    /// The routine's, and those of [`using`](Self::using) by way of `E: From<LockError>`.
    ///
    /// # Cancel safety
    /// As [`using`](Self::using).
    pub async fn try_using<F, Fut, T, E>(self, routine: F) -> Result<T, E>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<LockError>,
    {
        self.using(routine).await?
    }

    /// Acquires the lock for a routine that is yet to come.
    pub(crate) async fn enter(self) -> Result<Entered, LockError> {
        let (on_lost, deferred) = (self.on_lost, self.deferred_release);
        Ok(Entered {
            lock: self.acquire().await?,
            on_lost,
            deferred,
        })
    }

    /// How it paces itself while it waits.
    pub(super) fn pace(&self) -> &Retry {
        self.retry.as_deref().unwrap_or(&self.core.settings.buffer)
    }

    fn check(&self) -> Result<Arc<KeySet>, LockError> {
        if self.core.is_closed() {
            return Err(LockError::Closed);
        }
        let keys = self
            .core
            .naming
            .keys(&self.resources, self.core.nodes.single_slot())?;
        check_ttl("ttl", self.ttl, self.core.nodes.drift_factor)?;
        if let Some(max_ttl) = self
            .core
            .settings
            .max_ttl
            .filter(|longest| self.ttl > *longest)
        {
            let reason = format!(
                "{:?} is longer than the configured max_ttl of {max_ttl:?}",
                self.ttl
            );
            return Err(LockError::InvalidTtl {
                option: "ttl",
                reason: reason.into(),
            });
        }
        self.max_hold.map_or(Ok(()), check_max_hold)?;
        held::check(self.core.id(), &keys)?;
        Ok(Arc::new(keys))
    }
}
