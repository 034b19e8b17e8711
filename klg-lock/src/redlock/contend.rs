//! What a request goes through: the local queue, then the nodes, until they grant it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::FencingToken;
use super::clock::Moment;
use super::guard::{Hold, Lock, fits};
use super::holder;
use super::lease::Lease;
use super::order::{Queued, REFRESH};
use super::outcome::{Attempt, Refusal, Split};
use super::progress::{Progress, unavailable};
use super::queue::NoSeat;
use super::request::LockRequest;
use super::retry::Delays;
use super::seat::{Busy, Call, Seat, Terms};
use super::standing::{Pending, Standing, Unclaimed};
use crate::error::LockError;
use crate::node::{KeySet, Occupied, Op};

/// How often a request that does not wait asks again when contenders merely blocked each other.
const SPLIT_TRIES: u32 = 8;

/// The same where they may have: nodes that did not answer may carry the other's value as well.
const DOUBTFUL_TRIES: u32 = 3;

/// How long the other nodes have to push after the first did.
const PUSH_PATIENCE: Duration = Duration::from_millis(1);

/// Beyond the TTL the holder's node told, before asking: expiry is looked at in whole milliseconds.
const EXPIRY_MARGIN: Duration = Duration::from_millis(1);

impl LockRequest {
    pub(super) fn terms(&self) -> Terms {
        Terms {
            ttl: self.ttl,
            auto_extend: self.auto_extend,
            patient: self.wait.is_some(),
        }
    }

    /// Stands in line, and asks the nodes once it is the first.
    pub(super) async fn contend(
        &self,
        keys: &mut Arc<KeySet>,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        if self.fair && self.core.nodes.list().len() == 1 && self.can_queue(keys) {
            return Box::pin(self.stand(keys, progress)).await;
        }
        let place = match self.core.queues.enter(keys, self.terms()) {
            Ok(seat) => Standing {
                core: &self.core,
                seat,
                kept: false,
            },
            Err(NoSeat::Busy(busy)) => return Err(contended(keys, busy)),
            Err(NoSeat::Closed) => return Err(LockError::Closed),
        };
        // One copy does for all who stand in one line.
        keys.clone_from(&place.seat.keys);
        match place.seat.called().await {
            Call::Dismissed(busy) => Err(contended(keys, busy)),
            Call::Failed(votes) => Err(unavailable(keys, votes)),
            Call::Closed => Err(LockError::Closed),
            Call::Take(lease) => {
                let lease = Unclaimed { lease: Some(lease) };
                match self.take_up(lease).await {
                    Some((lease, token)) => {
                        let now = lease.now();
                        self.hold(place, lease, token, now)
                    }
                    None => self.ask(place, keys, None, progress).await,
                }
            }
            // Where others wait, a process stands behind them: what it released a moment ago is
            // theirs to have.
            Call::Ask { pause } if self.can_queue(keys) && (pause || self.is_hot(keys)) => {
                let queued = Queued::enter(&self.core, keys, &place.seat);
                self.ask(place, keys, Some(queued), progress).await
            }
            Call::Ask { pause: false } => self.ask(place, keys, None, progress).await,
            // Where no node can keep an order, a pause gives other processes their chance.
            Call::Ask { pause: true } => {
                let courtesy = self.core.courtesy();
                let jitter = self.pace().delays().up_to(courtesy);
                Box::pin(tokio::time::sleep(courtesy + jitter)).await;
                self.ask(place, keys, None, progress).await
            }
        }
    }

    /// Goes on with a lease that was handed over, after an extension where it is short of time or
    /// of fencing numbers. `None`: it ended; the nodes have to be asked.
    async fn take_up(&self, mut unclaimed: Unclaimed) -> Option<(Arc<Lease>, FencingToken)> {
        let lease = unclaimed.lease.as_ref()?;
        let mut token = lease.take_token();
        if token.is_none() || !fits(lease, &self.terms()) {
            let reserve = if token.is_none() {
                u64::from(self.core.settings.handover).max(1)
            } else {
                0
            };
            // Boxed, as it is rare.
            Box::pin(self.core.keeper.extend(lease, self.ttl, reserve))
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

    fn hold(
        &self,
        place: Standing<'_>,
        lease: Arc<Lease>,
        token: FencingToken,
        now: Moment,
    ) -> Result<Lock, LockError> {
        let seat = place.keep();
        Hold::begin(&self.core, seat, lease, token, self.max_hold, now).map(Lock::new)
    }

    /// Asks the nodes until they grant it, or until there is no point in asking again. `queued`: in
    /// the order of the node's queue, which a request that waits enters at its first refusal.
    ///
    /// Boxed: most of those who wait do not ask, and should not carry the space it takes.
    pub(super) fn ask<'a>(
        &'a self,
        place: Standing<'a>,
        keys: &'a Arc<KeySet>,
        queued: Option<Queued<'a>>,
        progress: &'a mut Progress,
    ) -> Pin<Box<dyn Future<Output = Result<Lock, LockError>> + Send + 'a>> {
        Box::pin(self.ask_until_granted(place, keys, queued, progress))
    }

    async fn ask_until_granted<'a>(
        &'a self,
        place: Standing<'a>,
        keys: &'a Arc<KeySet>,
        mut queued: Option<Queued<'a>>,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        let core = &self.core;
        let seat = Arc::clone(&place.seat);
        let mut delays = self.pace().delays();
        let mut splits = 0;
        let mut pushed = false;
        let mut ordered = true;
        loop {
            if core.is_closed() {
                return Err(LockError::Closed);
            }
            seat.reset_pushes();
            if let Some(queued) = queued.as_mut().filter(|queued| !queued.grants())
                && queued.is_behind().await
            {
                // It is as good as held: those who do not wait are told so, and not kept here.
                core.queues.refused(&seat, progress.seen());
                pushed = self.sleep_or_woken(&seat, 1, REFRESH).await?;
                continue;
            }
            if let Some(lease) = queued.as_mut().and_then(|it| it.take_given(self.ttl)) {
                if let Some(queued) = queued.take() {
                    queued.served();
                }
                let now = lease.now();
                match lease.take_token() {
                    Some(token) => return self.hold(place, Arc::new(lease), token, now),
                    None => drop(lease.release(now)),
                }
            }
            progress.attempts += 1;
            progress.tries += u32::from(!pushed);
            pushed = false;
            let reserve = core.queues.followers(&seat, core.settings.handover) + 1;
            let mut granting = queued.as_mut().filter(|queued| queued.grants());
            let staying = granting.as_mut().and_then(|queued| queued.take_pending());
            let pending = staying.unwrap_or_else(|| {
                let queue_place = granting.as_ref().map(|queued| &queued.place);
                Pending::new(core, keys, self.ttl, queue_place)
            });
            let acquire = match &granting {
                Some(queued) => queued.question(&self.terms(), reserve, progress.attempts),
                None => Op::Acquire {
                    ttl: self.ttl,
                    reserve,
                },
            };
            let began = core.nodes.clock.now();
            let attempt = core
                .nodes
                .acquire(&pending.claim, acquire, self.ttl, reserve, began)
                .await;
            let answered = match &attempt {
                Attempt::Acquired { at, .. } => *at,
                _ => core.nodes.clock.now(),
            };
            core.record_round_trip(answered.since(began));
            match attempt {
                Attempt::Acquired {
                    at,
                    valid_until,
                    tokens,
                } => {
                    let claim = pending.keep();
                    let lease = Arc::new(Lease::new(
                        claim,
                        Arc::clone(&core.nodes),
                        self.ttl,
                        at,
                        valid_until,
                        tokens,
                    ));
                    if let Some(queued) = queued.take() {
                        queued.served();
                    }
                    let mut unclaimed = Unclaimed {
                        lease: Some(Arc::clone(&lease)),
                    };
                    // As long as the nodes grant it: there is nothing that an extension would mend.
                    if let Some(token) = lease.take_token() {
                        unclaimed.lease = None;
                        return self.hold(place, lease, token, at);
                    }
                }
                Attempt::Refused(refusal) => {
                    match &mut granting {
                        Some(queued) => queued.stays(pending, began, progress.attempts, reserve),
                        None => drop(pending),
                    }
                    let busy = busy(&refusal);
                    let again = match (refusal.split, self.wait) {
                        (Split::Sure, Some(_)) => true,
                        (Split::Sure, None) => splits < SPLIT_TRIES,
                        (Split::Doubtful, None) => splits < DOUBTFUL_TRIES,
                        (Split::Doubtful, Some(_)) | (Split::No, _) => false,
                    };
                    if again {
                        let pause = delays.after_split(splits, core.round_trip());
                        splits += 1;
                        self.check_count(keys, progress, &busy)?;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    splits = 0;
                    core.queues.refused(&seat, &busy);
                    keys.keys()
                        .iter()
                        .for_each(|key| core.hot.refused(&key.lock, answered));
                    if self.wait.is_none() {
                        return Err(contended(keys, busy));
                    }
                    self.check_count(keys, progress, &busy)?;
                    progress.busy(busy);
                    if refusal.split == Split::Doubtful {
                        // Others may reach the nodes that this one does not: it stands in nobody's
                        // way.
                        queued = queued.take().filter(Queued::grants);
                    }
                    match &mut queued {
                        None if ordered && self.can_queue(keys) && refusal.split == Split::No => {
                            queued = Some(Queued::enter(core, keys, &seat));
                            pushed = true;
                        }
                        None => {
                            let pause = self.pause(&refusal, &mut delays);
                            pushed = self
                                .sleep_or_woken(&seat, core.nodes.quorum(), pause)
                                .await?;
                        }
                        Some(queued) if !queued.grants() => {
                            let pause = self.pause(&refusal, &mut delays);
                            pushed = self.sleep_in_place(queued, &seat, pause).await?;
                        }
                        Some(queued) => {
                            pushed = match queued.answered(&refusal) {
                                None => true,
                                Some(pause) => {
                                    let polled = (!core.nodes.pushes()).then(|| delays.next());
                                    let pause = polled.flatten().map_or(pause, |p| p.min(pause));
                                    self.sleep_or_woken(&seat, 1, pause).await?
                                }
                            };
                            if pushed {
                                queued.watch(true);
                            }
                        }
                    }
                }
                Attempt::Unavailable(votes) => {
                    drop(pending);
                    let hopeless = !votes.iter().any(|vote| vote.error.kind().is_transient());
                    if hopeless && ordered && !self.fair && queued.is_some() {
                        // The user may have the right to the lock, and none to the order.
                        (ordered, queued) = (false, None);
                        continue;
                    }
                    // Others may reach the nodes that this one does not: it stands in nobody's way.
                    queued = queued.take().filter(Queued::grants);
                    let last = self.pace().count > 0 && progress.tries >= self.pace().count;
                    if self.wait.is_none() || hopeless || last {
                        return Err(unavailable(keys, votes));
                    }
                    core.queues.failed(&seat, &votes);
                    progress.outage(votes);
                    let pause = delays.next().unwrap_or_default();
                    self.sleep_or_woken(&seat, 1, pause).await?;
                }
            }
        }
    }

    /// Whether a node can keep the order of those who wait.
    pub(super) fn can_queue(&self, keys: &KeySet) -> bool {
        let nodes = &self.core.nodes;
        // Where several vote, a turn that no push tells of would be noticed late.
        // Nor may a request that is to ask so many times ask more often than that.
        let told = nodes.list().len() == 1 || (nodes.pushes() && self.pace().count == 0);
        self.wait.is_some() && told && keys.keys().len() == 1
    }

    fn is_hot(&self, keys: &KeySet) -> bool {
        let now = self.core.nodes.clock.now();
        let hot = &self.core.hot;
        keys.keys().iter().any(|key| hot.is_hot(&key.lock, now))
    }

    fn check_count(
        &self,
        keys: &KeySet,
        progress: &mut Progress,
        busy: &Busy,
    ) -> Result<(), LockError> {
        if self.wait.is_some() && self.pace().count > 0 && progress.tries >= self.pace().count {
            progress.busy(busy.clone());
            return Err(progress.gave_up(keys));
        }
        Ok(())
    }

    /// For how long to wait before asking again can help, should no push come: until the end of the
    /// holder's TTL, or, where the nodes do not push or the key never expires, the polling delay.
    fn pause(&self, refusal: &Refusal, delays: &mut Delays) -> Duration {
        let expiry = refusal
            .free_in
            .map(|left| left + EXPIRY_MARGIN + delays.up_to(EXPIRY_MARGIN));
        let polled = (!self.core.nodes.pushes() || expiry.is_none())
            .then(|| delays.next().unwrap_or_default());
        match (expiry, polled) {
            (Some(expiry), Some(polled)) => expiry.min(polled),
            (Some(pause), None) | (None, Some(pause)) => pause,
            (None, None) => self.pace().delay,
        }
    }

    /// Sleeps as the first of those who wait, and keeps the place alive meanwhile.
    async fn sleep_in_place(
        &self,
        queued: &mut Queued<'_>,
        seat: &Seat,
        pause: Duration,
    ) -> Result<bool, LockError> {
        let quorum = self.core.nodes.quorum();
        let mut left = pause;
        loop {
            let nap = left.min(REFRESH);
            if self.sleep_or_woken(seat, quorum, nap).await? {
                return Ok(true);
            }
            left = left.saturating_sub(nap);
            if left.is_zero() || queued.is_behind().await {
                return Ok(false);
            }
        }
    }

    async fn sleep_or_woken(
        &self,
        seat: &Seat,
        quorum: usize,
        pause: Duration,
    ) -> Result<bool, LockError> {
        match tokio::time::timeout(pause, seat.woken(quorum, PUSH_PATIENCE)).await {
            Ok(false) => Err(LockError::Closed),
            Ok(true) => Ok(true),
            Err(_) => Ok(false),
        }
    }
}

fn busy(refusal: &Refusal) -> Busy {
    // In a queue the key may be free, and only the others ahead be in the way.
    let told = |occupied: &&Occupied| occupied.ahead.is_none() || occupied.value.is_some();
    let holder = refusal.holder.as_ref().filter(told);
    Busy {
        holder: holder.map(|occupied| holder::parse(occupied.value.as_deref()).0),
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
