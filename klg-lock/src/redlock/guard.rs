//! The lock in its holder's hands.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::Moment;
use super::core::Core;
use super::fence::FencingToken;
use super::lease::Lease;
use super::outcome::Release;
use super::seat::{Busy, Seat, Terms};
use super::settings::check_ttl;
use super::validity::renewal_threshold;
use crate::error::LockError;

const ACTIVE: u8 = 0;
const RELEASED: u8 = 1;
const LOST: u8 = 2;

/// One local holder's time with a lease.
#[derive(Debug)]
pub(crate) struct Hold {
    core: Arc<Core>,
    lease: Arc<Lease>,
    seat: Arc<Seat>,
    token: FencingToken,
    since: Moment,
    until: Option<Moment>,
    state: AtomicU8,
    ended: Notify,
}

impl Hold {
    /// Gives the lease to a new holder; refused, and the lease released, once the engine is closed.
    pub(crate) fn begin(
        core: &Arc<Core>,
        seat: Arc<Seat>,
        lease: Arc<Lease>,
        token: FencingToken,
        max_hold: Option<Duration>,
        since: Moment,
    ) -> Result<Arc<Self>, LockError> {
        let hold = Arc::new(Self {
            core: Arc::clone(core),
            lease,
            seat,
            token,
            since,
            until: max_hold.map(|longest| since + longest),
            state: AtomicU8::new(ACTIVE),
            ended: Notify::new(),
        });
        let look = hold.lease.held_by(&hold, since);
        core.keeper.watch(&hold.lease, look);
        if !core.queues.holds(&hold.seat, &hold) {
            drop(hold.revoke());
            return Err(LockError::Closed);
        }
        Ok(hold)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// When it ends at the latest, extensions or not.
    pub(crate) fn until(&self) -> Option<Moment> {
        self.until
    }

    /// The TTL to extend by, if a lease that is good until `valid_until` is to be extended by itself.
    pub(crate) fn renewal(&self, valid_until: Moment) -> Option<Duration> {
        let enough = self.until.is_some_and(|until| valid_until >= until);
        (self.seat.terms.auto_extend && !enough).then_some(self.seat.terms.ttl)
    }

    pub(crate) fn busy(&self) -> Busy {
        Busy {
            holder: Some(self.core.identity.holder()),
            remaining: Some(self.remaining()),
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.remaining_at(self.lease.now())
    }

    fn remaining_at(&self, now: Moment) -> Duration {
        if !self.is_active() {
            return Duration::ZERO;
        }
        let left = self.lease.remaining_at(now);
        self.until.map_or(left, |until| left.min(until.since(now)))
    }

    pub(crate) fn held_for(&self) -> Duration {
        self.lease.now().since(self.since)
    }

    fn resource(&self) -> Box<str> {
        self.lease.claim.keys.describe().into()
    }

    pub(crate) fn lost_error(&self) -> LockError {
        LockError::Lost {
            resource: self.resource(),
            held_for: self.held_for(),
        }
    }

    /// Ends the hold because the engine is closed; the future resolves when the nodes confirmed.
    pub(crate) fn revoke(&self) -> Option<impl Future<Output = Release> + Send + use<>> {
        self.end(LOST, self.lease.now())
    }

    /// Ends the hold as lost, releases what may be left on the nodes, and lets the next one try.
    pub(crate) fn lose(&self) {
        if let Some(release) = self.revoke() {
            tracing::warn!(resource = %self.resource(), held_for = ?self.held_for(), "a lock was lost");
            drop(release);
        }
    }

    /// Ends the hold. Everything is queued or handed over when this returns; what it returns only
    /// tells how the release went. `None`: it had ended before, or the lease went to the next one.
    fn end(&self, how: u8, now: Moment) -> Option<impl Future<Output = Release> + Send + use<>> {
        self.state
            .compare_exchange(ACTIVE, how, Ordering::AcqRel, Ordering::Acquire)
            .ok()?;
        if let Some(at) = self.lease.let_go() {
            self.core.keeper.forget(&self.lease, at);
        }
        self.ended.notify_waiters();
        let released = self
            .core
            .pass_on(&self.seat, &self.lease, how == RELEASED, now);
        self.core.seat_left();
        released
    }

    fn is_active(&self) -> bool {
        self.state.load(Ordering::Acquire) == ACTIVE
    }

    /// Resolves when the hold has ended.
    pub(crate) async fn ended(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the state is read, so that no ending falls between the two.
            ended.as_mut().enable();
            if !self.is_active() {
                return;
            }
            ended.await;
        }
    }

    /// Whether it is still held, by the clock; notices an ending that no timer has told yet.
    pub(crate) fn check(&self) -> bool {
        self.check_at(self.lease.now())
    }

    fn check_at(&self, now: Moment) -> bool {
        if self.is_active() && self.remaining_at(now).is_zero() {
            self.lose();
        }
        self.is_active()
    }

    pub(crate) fn keys(&self) -> &Arc<crate::node::KeySet> {
        &self.lease.claim.keys
    }
}

/// Whether a lease still has what the next holder needs, without asking the nodes.
pub(crate) fn fits(lease: &Lease, terms: &Terms) -> bool {
    let needed = if terms.auto_extend {
        renewal_threshold(terms.ttl)
    } else {
        terms.ttl.mul_f64(0.9)
    };
    lease.remaining() > needed
}

/// A cheap handle on a lock that is held: how long it is good for, its fencing token, its end.
///
/// Clones and outlives its lock freely: it does not keep the lock held.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
/// redlock.using("key1", |lock| async move {
///     assert!(lock.is_valid());
///     assert_eq!(lock.resources().collect::<Vec<_>>(), ["key1"]);
///     println!("good for {:?}, token {}", lock.remaining(), lock.fencing_token());
/// }).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct LockHandle {
    pub(crate) hold: Arc<Hold>,
}

impl LockHandle {
    /// How long the lock is good for, unless it is extended: the time for which its holder may
    /// believe in it, which is a little less than the TTL on the nodes. Zero once it has ended.
    ///
    /// A lock that was handed over by another process's release, on a single node, is good for up to
    /// ten seconds at first, and is extended to its TTL within milliseconds.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Whether the lock is held right now, by this process's clock.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// A number larger than that of every earlier holder of any of the resources.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.hold.token
    }

    /// The resources that are locked, sorted and without repetition.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let keys = self.hold.keys();
        (0..keys.keys().len()).map(|index| keys.resource(index))
    }

    /// How long this holder has had the lock.
    #[must_use]
    pub fn held_for(&self) -> Duration {
        self.hold.held_for()
    }

    /// Makes the lock good for at least `duration` from now. Never shortens it; `max_hold` bounds
    /// it. `duration`: 5 ms to 24 days.
    ///
    /// # Errors
    /// [`LockError::InvalidTtl`]; [`LockError::Lost`] when the lock has ended, which an extension
    /// never mends; [`LockError::Unavailable`] when no quorum answered, which leaves the lock as
    /// it was.
    ///
    /// # Cancel safety
    /// The extension goes on when the future is dropped; only its result is not seen.
    pub async fn extend(&self, duration: Duration) -> Result<(), LockError> {
        let hold = &self.hold;
        check_ttl("extend", duration, hold.core.nodes.drift_factor)?;
        if !hold.check() {
            return Err(hold.lost_error());
        }
        let extended = hold.core.keeper.extend(&hold.lease, duration, 0).await;
        extended.map_err(|failed| failed.into_error(&hold.resource(), hold.held_for()))
    }

    /// Resolves when exclusivity is gone: the lock was lost, or it was released.
    ///
    /// # Cancel safety
    /// Can be dropped and called again at any time.
    pub async fn lost(&self) {
        self.hold.ended().await;
    }
}

impl fmt::Debug for LockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockHandle")
            .field("resources", self.hold.keys())
            .field("fencing_token", &self.fencing_token())
            .field("remaining", &self.remaining())
            .finish()
    }
}

/// A lock that is held: a guard.
///
/// Everything [`LockHandle`] offers can be called on it. Unless `auto_extend` was turned off, it is
/// extended in the background for as long as it lives.
///
/// **Dropping it releases the lock in the background**: the request is queued at once, from any
/// thread and without a runtime, and sent by the engine's own task. [`release`](Self::release) also
/// tells how that went.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
/// use std::time::Duration;
///
/// let lock = redlock.lock(["from:1", "to:2"]).acquire().await?;
/// lock.extend(Duration::from_secs(300)).await?;
/// assert!(lock.remaining() > Duration::from_secs(290));
/// lock.release().await?;
/// # Ok(()) }
/// ```
#[must_use = "the lock is released as soon as the guard is dropped"]
#[derive(Debug)]
pub struct Lock {
    handle: LockHandle,
}

impl Lock {
    pub(crate) fn new(hold: Arc<Hold>) -> Self {
        Self {
            handle: LockHandle { hold },
        }
    }

    /// A handle that can be cloned and passed around; it does not keep the lock held.
    #[must_use]
    pub fn handle(&self) -> LockHandle {
        self.handle.clone()
    }

    /// Releases the lock, and waits until a quorum of nodes has confirmed it.
    ///
    /// # Errors
    /// [`LockError::Lost`] when the lock had ended before, so that what ran under it may have
    /// overlapped with another holder. [`LockError::Unavailable`] when no quorum confirmed; the
    /// nodes go on being asked in the background until the lock's TTL is over.
    ///
    /// # Cancel safety
    /// The release is queued before the first await; dropping the future loses only its result.
    pub async fn release(self) -> Result<(), LockError> {
        let hold = Arc::clone(&self.handle.hold);
        let now = hold.lease.now();
        if !hold.check_at(now) {
            return Err(hold.lost_error());
        }
        let Some(confirmed) = hold.end(RELEASED, now) else {
            // Handed over; or another thread ended it since the check.
            return match hold.state.load(Ordering::Acquire) {
                LOST => Err(hold.lost_error()),
                _ => Ok(()),
            };
        };
        match confirmed.await {
            Release::Done => Ok(()),
            // It was valid when it was given up; that its keys have expired on the way is no loss.
            Release::Gone if hold.lease.has_expired() => Ok(()),
            Release::Gone => Err(hold.lost_error()),
            Release::Unsure(votes) => Err(LockError::Unavailable {
                resource: hold.resource(),
                votes,
            }),
        }
    }

    /// Queues the release, and does not wait for it.
    pub(crate) fn release_later(self) {
        drop(self);
    }
}

impl Deref for Lock {
    type Target = LockHandle;

    fn deref(&self) -> &LockHandle {
        &self.handle
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The future only tells how it went; the release is queued already.
        let hold = &self.handle.hold;
        if hold.is_active() {
            drop(hold.end(RELEASED, hold.lease.now()));
        }
    }
}
