//! One request for a lock: its options, and how it is carried out.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::guard::{Hold, Lock, LockHandle, fits};
use super::held;
use super::holder;
use super::lease::Lease;
use super::queue::{Busy, Call, NoSeat, Seat, Terms};
use super::resources::IntoResources;
use super::retry::{Delays, Retry};
use super::round::{Attempt, Refusal};
use super::settings::{Kind, OnLost, check_max_hold, check_ttl};
use super::using;
use crate::error::{LockError, NodeErrorKind, Votes};
use crate::node::{Claim, KeySet};

/// How often a request that does not wait asks again when contenders merely blocked each other.
const SPLIT_TRIES: u32 = 8;

/// How long the other nodes have to push after the first did.
const PUSH_PATIENCE: Duration = Duration::from_millis(1);

/// Beyond the TTL the holder's node told, before asking: expiry is looked at in whole milliseconds.
const EXPIRY_MARGIN: Duration = Duration::from_millis(1);

/// A request for a lock, made by [`Redlock::lock`](super::Redlock::lock); does nothing until
/// [`acquire`](Self::acquire), [`using`](Self::using) or [`try_using`](Self::try_using).
#[must_use = "a request does nothing until `acquire`, `using` or `try_using` is called"]
#[derive(Debug)]
pub struct LockRequest {
    core: Arc<Core>,
    resources: Vec<String>,
    ttl: Duration,
    wait: Option<Duration>,
    retry: Retry,
    auto_extend: bool,
    max_hold: Option<Duration>,
    on_lost: OnLost,
    deferred_release: bool,
}

impl LockRequest {
    pub(crate) fn new<K: IntoResources>(core: &Arc<Core>, kind: Kind, resources: K) -> Self {
        let settings = &core.settings;
        Self {
            core: Arc::clone(core),
            resources: resources.into_resources(),
            ttl: settings.ttl,
            wait: (kind == Kind::Buffer).then_some(settings.buffer.wait),
            retry: settings.buffer,
            auto_extend: settings.auto_extend,
            max_hold: settings.max_hold,
            on_lost: OnLost::default(),
            deferred_release: settings.deferred_release,
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
        self.retry = retry;
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
    pub async fn acquire(self) -> Result<Lock, LockError> {
        let keys = self.check()?;
        let asked_at = tokio::time::Instant::now();
        let mut progress = Progress::default();
        let waited = match self.wait {
            None => Ok(self.contend(&keys, &mut progress).await),
            Some(wait) => match asked_at.checked_add(wait) {
                Some(until) => {
                    tokio::time::timeout_at(until, self.contend(&keys, &mut progress)).await
                }
                None => Ok(self.contend(&keys, &mut progress).await),
            },
        };
        waited.unwrap_or_else(|_| Err(progress.gave_up(&keys, asked_at.elapsed())))
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
    pub fn using<F, Fut>(
        self,
        routine: F,
    ) -> impl Future<Output = Result<Fut::Output, LockError>> + use<F, Fut>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        async move {
            let (on_lost, deferred) = (self.on_lost, self.deferred_release);
            let lock = self.acquire().await?;
            using::run(lock, on_lost, deferred, routine).await
        }
    }

    /// Like [`using`](Self::using), for a routine with errors of its own: one `?` for both.
    ///
    /// # Errors
    /// The routine's, and those of [`using`](Self::using) by way of `E: From<LockError>`.
    ///
    /// # Cancel safety
    /// As [`using`](Self::using).
    pub fn try_using<F, Fut, T, E>(
        self,
        routine: F,
    ) -> impl Future<Output = Result<T, E>> + use<F, Fut, T, E>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<LockError>,
    {
        async move { self.using(routine).await? }
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

    fn terms(&self) -> Terms {
        Terms {
            ttl: self.ttl,
            auto_extend: self.auto_extend,
            patient: self.wait.is_some(),
        }
    }

    /// Stands in line, and asks the nodes once it is the first.
    async fn contend(
        &self,
        keys: &Arc<KeySet>,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        let place = match self.core.queues.enter(keys, self.terms()) {
            Ok(seat) => Place {
                core: &self.core,
                seat,
                kept: false,
            },
            Err(NoSeat::Busy(busy)) => return Err(contended(keys, busy)),
            Err(NoSeat::Closed) => return Err(LockError::Closed),
        };
        match place.seat.called().await {
            Call::Dismissed(busy) => Err(contended(keys, busy)),
            Call::Closed => Err(LockError::Closed),
            Call::Take(lease) => {
                let lease = Unclaimed { lease: Some(lease) };
                match self.take_up(lease).await {
                    Some((lease, token)) => Ok(self.hold(place, lease, token)),
                    None => self.ask(place, keys, progress).await,
                }
            }
            Call::Ask { pause } => {
                if pause {
                    let courtesy = self.core.courtesy();
                    let jitter = self.retry.delays().up_to(courtesy);
                    tokio::time::sleep(courtesy + jitter).await;
                }
                self.ask(place, keys, progress).await
            }
        }
    }

    /// Goes on with a lease that was handed over, after an extension where it is short of time or
    /// of fencing numbers. `None`: it ended; the nodes have to be asked.
    async fn take_up(&self, mut unclaimed: Unclaimed) -> Option<(Arc<Lease>, super::FencingToken)> {
        let lease = unclaimed.lease.as_ref()?;
        let mut token = lease.take_token();
        if token.is_none() || !fits(lease, &self.terms()) {
            let reserve = if token.is_none() {
                u64::from(self.core.settings.handover).max(1)
            } else {
                0
            };
            self.core
                .keeper
                .extend(lease, self.ttl, reserve)
                .await
                .ok()?;
            token = token.or_else(|| lease.take_token());
        }
        if lease.remaining().is_zero() {
            return None;
        }
        let token = token?;
        unclaimed.lease.take().map(|lease| (lease, token))
    }

    fn hold(&self, place: Place<'_>, lease: Arc<Lease>, token: super::FencingToken) -> Lock {
        Lock::new(Hold::begin(
            &self.core,
            place.keep(),
            lease,
            token,
            self.max_hold,
        ))
    }

    /// Asks the nodes until they grant it, or until there is no point in asking again.
    async fn ask(
        &self,
        place: Place<'_>,
        keys: &Arc<KeySet>,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        let core = &self.core;
        let seat = Arc::clone(&place.seat);
        let mut delays = self.retry.delays();
        let mut splits = 0;
        loop {
            seat.reset_pushes();
            progress.attempts += 1;
            let reserve = core.queues.followers(&seat, core.settings.handover) + 1;
            let pending = Pending::new(core, keys);
            let began = core.nodes.clock.now();
            let attempt = core.nodes.acquire(&pending.claim, self.ttl, reserve).await;
            core.record_round_trip(core.nodes.clock.now().since(began));
            match attempt {
                Attempt::Acquired {
                    valid_until,
                    tokens,
                } => {
                    let claim = pending.keep();
                    let lease = Arc::new(Lease::new(
                        claim,
                        Arc::clone(&core.nodes),
                        self.ttl,
                        valid_until,
                        tokens,
                    ));
                    let lease = Unclaimed { lease: Some(lease) };
                    if let Some((lease, token)) = self.take_up(lease).await {
                        return Ok(self.hold(place, lease, token));
                    }
                }
                Attempt::Refused(refusal) => {
                    drop(pending);
                    let busy = busy(&refusal);
                    if refusal.split && (self.wait.is_some() || splits < SPLIT_TRIES) {
                        let pause = delays.after_split(splits);
                        splits += 1;
                        self.check_count(keys, progress, &busy)?;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    splits = 0;
                    core.queues.refused(&seat, &busy);
                    if self.wait.is_none() {
                        return Err(contended(keys, busy));
                    }
                    self.check_count(keys, progress, &busy)?;
                    progress.busy(busy);
                    self.pause(&seat, &refusal, &mut delays).await?;
                }
                Attempt::Unavailable(votes) => {
                    drop(pending);
                    let hopeless = !votes.iter().any(|vote| vote.error.kind().is_transient());
                    if self.wait.is_none() || hopeless {
                        return Err(unavailable(keys, votes));
                    }
                    progress.outage(votes);
                    let pause = delays.next().unwrap_or_default();
                    self.sleep_or_woken(&seat, 1, pause).await?;
                }
            }
        }
    }

    fn check_count(
        &self,
        keys: &KeySet,
        progress: &mut Progress,
        busy: &Busy,
    ) -> Result<(), LockError> {
        if self.wait.is_some() && self.retry.count > 0 && progress.attempts >= self.retry.count {
            progress.busy(busy.clone());
            return Err(progress.gave_up(keys, progress.since.elapsed()));
        }
        Ok(())
    }

    /// Waits until asking again can help: a push, the end of the holder's TTL, or, where the nodes
    /// do not push or the key never expires, the polling delay.
    async fn pause(
        &self,
        seat: &Seat,
        refusal: &Refusal,
        delays: &mut Delays,
    ) -> Result<(), LockError> {
        let nodes = &self.core.nodes;
        let expiry = refusal
            .free_in
            .map(|left| left + EXPIRY_MARGIN + delays.up_to(EXPIRY_MARGIN));
        let polled =
            (!nodes.pushes() || expiry.is_none()).then(|| delays.next().unwrap_or_default());
        let pause = match (expiry, polled) {
            (Some(expiry), Some(polled)) => expiry.min(polled),
            (Some(pause), None) | (None, Some(pause)) => pause,
            (None, None) => self.retry.delay,
        };
        self.sleep_or_woken(seat, nodes.quorum(), pause).await
    }

    async fn sleep_or_woken(
        &self,
        seat: &Seat,
        quorum: usize,
        pause: Duration,
    ) -> Result<(), LockError> {
        match tokio::time::timeout(pause, seat.woken(quorum, PUSH_PATIENCE)).await {
            Ok(false) => Err(LockError::Closed),
            Ok(true) | Err(_) => Ok(()),
        }
    }
}

fn busy(refusal: &Refusal) -> Busy {
    let holder = refusal
        .holder
        .as_ref()
        .map(|occupied| holder::parse(occupied.value.as_deref()).0);
    Busy {
        holder,
        remaining: refusal.free_in,
    }
}

fn contended(keys: &KeySet, busy: Busy) -> LockError {
    LockError::Contended {
        resource: keys.describe().into(),
        holder: busy.holder.map(Box::new),
        remaining: busy.remaining,
    }
}

fn unavailable(keys: &KeySet, votes: Votes) -> LockError {
    if votes
        .iter()
        .all(|vote| vote.error.kind() == NodeErrorKind::Closed)
    {
        return LockError::Closed;
    }
    LockError::Unavailable {
        resource: keys.describe().into(),
        votes,
    }
}

/// What a request has seen so far, for the error that ends it.
#[derive(Debug)]
struct Progress {
    attempts: u32,
    since: tokio::time::Instant,
    busy: Option<Busy>,
    outage: Option<Votes>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            attempts: 0,
            since: tokio::time::Instant::now(),
            busy: None,
            outage: None,
        }
    }
}

impl Progress {
    fn busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
        self.outage = None;
    }

    fn outage(&mut self, votes: Votes) {
        self.outage = Some(votes);
    }

    /// Contention and outage are told apart by what was seen last.
    fn gave_up(&mut self, keys: &KeySet, waited: Duration) -> LockError {
        if let Some(votes) = self.outage.take() {
            return unavailable(keys, votes);
        }
        let holder = self.busy.take().and_then(|busy| busy.holder).map(Box::new);
        LockError::Timeout {
            resource: keys.describe().into(),
            waited,
            attempts: self.attempts,
            holder,
        }
    }
}

/// A place in the lines that is given up when the request ends without a lock.
struct Place<'a> {
    core: &'a Arc<Core>,
    seat: Arc<Seat>,
    kept: bool,
}

impl Place<'_> {
    fn keep(mut self) -> Arc<Seat> {
        self.kept = true;
        Arc::clone(&self.seat)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        match self.seat.take_given() {
            // Given a lease at the last moment: it goes on to the next, or is released.
            Some(lease) => drop(self.core.pass_on(&self.seat, &lease, true)),
            None => self.core.queues.leave(&self.seat, false),
        }
    }
}

/// An attempt on its way: released when the request is dropped in the middle of it.
struct Pending<'a> {
    core: &'a Arc<Core>,
    claim: Arc<Claim>,
    kept: bool,
}

impl<'a> Pending<'a> {
    fn new(core: &'a Arc<Core>, keys: &Arc<KeySet>) -> Self {
        let claim = Arc::new(Claim::new(Arc::clone(keys), core.identity.fresh_value()));
        Self {
            core,
            claim,
            kept: false,
        }
    }

    fn keep(mut self) -> Arc<Claim> {
        self.kept = true;
        Arc::clone(&self.claim)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.kept && !self.claim.is_released() {
            drop(self.core.nodes.release(&self.claim, self.core.settings.ttl));
        }
    }
}

/// A lease nobody holds yet: released when the request is dropped before it does.
struct Unclaimed {
    lease: Option<Arc<Lease>>,
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            drop(lease.release());
        }
    }
}
