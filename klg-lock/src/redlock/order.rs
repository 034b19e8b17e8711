//! Waiting in an order that a node keeps: woken one at a time, however many wait.
//!
//! Every process that waits for a resource has a place in a node's queue; with `fair`, every request
//! has. The node tells a place when it is the first. Where there is one node, the queue also grants
//! the lock, to nobody but the first: a release gives it to the claim that stands at the first place,
//! for a short time and without a question, and the lock key is watched for the releases of others
//! and for its end. Where several vote, the first
//! of them keeps the order, and only the first in it asks all of them; that is good manners and no
//! more: should the node fail, the next one keeps the order, and meanwhile everybody asks.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use super::clock::Moment;
use super::core::Core;
use super::fence::TokenRange;
use super::guard::Lock;
use super::lease::Lease;
use super::outcome::Refusal;
use super::progress::Progress;
use super::request::LockRequest;
use super::seat::{Call, Seat, Terms};
use super::standing::{Pending, Standing};
use super::validity::validity;
use crate::error::LockError;
use crate::node::{Claim, KeySet, LockKey, Op, Place};

/// How long a place outlives its waiter's last question: the bound within which a waiter whose
/// process died is passed over.
const PLACE_LIFE: Duration = Duration::from_millis(2_500);

/// For how long the lock is given at most to a waiter that has not asked for it just then: the bound
/// within which one is passed over that stands still. It has this time to have it extended, which
/// takes a few milliseconds unless its first act is to block the threads of its runtime.
const GIVEN_FOR: Duration = Duration::from_secs(10);

/// How often a waiter asks at least, which keeps its place alive: three times in its life.
pub(super) const REFRESH: Duration = Duration::from_millis(800);

/// Beyond the TTL the node told, before asking: expiry is looked at in whole milliseconds.
const EXPIRY_MARGIN: Duration = Duration::from_millis(1);

impl LockRequest {
    /// Waits in the node's queue with a place of this request's own.
    pub(super) async fn stand(
        &self,
        keys: &Arc<KeySet>,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        let core = &self.core;
        let place = new_place(core, keys);
        // The node keeps the order; nobody local stands in a line that is named by a place.
        let name = LockKey {
            lock: Arc::clone(&place.own),
            fence: "".into(),
        };
        let line = Arc::new(KeySet::new(vec![name], place.own.len()));
        let seat = core.queues.enter(&line, self.terms());
        let seat = seat.map_err(|_| LockError::Closed)?;
        let standing = Standing {
            core,
            seat: Arc::clone(&seat),
            kept: false,
        };
        if !matches!(seat.called().await, Call::Ask { .. }) {
            return Err(LockError::Closed);
        }
        let queued = Queued::enter_at(core, keys, &seat, place);
        self.ask(standing, keys, Some(queued), progress).await
    }
}

/// A place in the node's queue, given up when the request ends without the lock.
pub(super) struct Queued<'a> {
    core: &'a Arc<Core>,
    keys: &'a Arc<KeySet>,
    seat: Arc<Seat>,
    pub(super) place: Arc<Place>,
    /// Which node keeps the order.
    index: usize,
    /// Be told of changes of the lock key, as the first of the queue has to be.
    watch: bool,
    /// Its last question for the place, which must not come after the place was given up.
    standing: Option<Arc<Claim>>,
    /// What it asked for where others grant it the lock while it sleeps.
    asked: Option<Asked<'a>>,
    served: bool,
}

/// A question that was refused, and whose claim stays at its place.
struct Asked<'a> {
    pending: Pending<'a>,
    /// Before it was sent. Nothing was given because of it before that.
    at: Moment,
    /// Its number. What was given before it reached the node bears another.
    question: u32,
    reserve: u64,
}

impl<'a> Queued<'a> {
    /// Takes a place at the end; the node hears of it with the first question.
    pub(super) fn enter(core: &'a Arc<Core>, keys: &'a Arc<KeySet>, seat: &Arc<Seat>) -> Self {
        Self::enter_at(core, keys, seat, new_place(core, keys))
    }

    fn enter_at(
        core: &'a Arc<Core>,
        keys: &'a Arc<KeySet>,
        seat: &Arc<Seat>,
        place: Arc<Place>,
    ) -> Self {
        let queued = Self {
            core,
            keys,
            seat: Arc::clone(seat),
            place,
            index: 0,
            watch: false,
            standing: None,
            asked: None,
            served: false,
        };
        for key in keys.keys() {
            core.queues.queue_up(&key.lock, &queued.place.own, seat);
        }
        queued
    }

    /// Whether it is to be told of changes of the lock key, too.
    pub(super) fn watch(&mut self, watch: bool) {
        self.watch = watch;
        self.seat.set_watching(watch);
    }

    /// What it asks. Without auto-extension, a lock has to be good for all of its TTL from the start;
    /// a short TTL would be over before a waiter that sleeps has noticed.
    pub(super) fn question(&self, terms: &Terms, reserve: u64, question: u32) -> Op {
        let may_be_given = terms.auto_extend && terms.ttl >= PLACE_LIFE;
        Op::Queue {
            ttl: terms.ttl,
            reserve,
            life: PLACE_LIFE,
            watch: self.watch,
            offer: may_be_given.then_some(terms.ttl.min(GIVEN_FOR)),
            question,
        }
    }

    /// The claim to ask with: the one that stands at the place already, if there is one.
    pub(super) fn take_pending(&mut self) -> Option<Pending<'a>> {
        self.asked.take().map(|asked| asked.pending)
    }

    /// Refused, and from now on to be given the lock when its turn comes.
    pub(super) fn stays(&mut self, pending: Pending<'a>, at: Moment, question: u32, reserve: u64) {
        self.asked = Some(Asked {
            pending,
            at,
            question,
            reserve,
        });
    }

    /// The lock, if it was given to the claim at this place, and is good for some time yet.
    pub(super) fn take_given(&mut self, ttl: Duration) -> Option<Lease> {
        let given = self.core.queues.take_given(&self.place.own)?;
        let asked = self.asked.as_ref()?;
        let nodes = &self.core.nodes;
        let valid_until = asked.at + validity(ttl.min(GIVEN_FOR), nodes.drift_factor)?;
        let at = nodes.clock.now();
        let meant = *given.value == *asked.pending.claim.value && given.question == asked.question;
        if !meant || at >= valid_until {
            // Asking again, it is told that it has it, if it has.
            return None;
        }
        let tokens = TokenRange::ending_at(given.end, asked.reserve);
        let claim = self.take_pending()?.keep();
        let lease = Lease::new(claim, Arc::clone(nodes), ttl, at, valid_until, tokens);
        Some(lease.provisional())
    }

    /// For how long to wait for a push after a refusal. `None`: ask again at once, since the
    /// release may come before the lock key is watched.
    pub(super) fn answered(&mut self, refusal: &Refusal) -> Option<Duration> {
        let first = refusal.ahead == Some(0);
        let watched = self.watch;
        self.watch(first);
        match refusal.free_in {
            _ if first && !watched => None,
            Some(left) if first => Some(REFRESH.min(left + EXPIRY_MARGIN)),
            _ => Some(REFRESH),
        }
    }

    /// The lock was granted: the one node has cleared the place, while the one that only keeps the
    /// order for others has to be told.
    pub(super) fn served(mut self) {
        self.served = self.grants();
    }

    /// Whether the node that keeps the order grants the lock, too.
    pub(super) fn grants(&self) -> bool {
        self.core.nodes.list().len() == 1
    }

    /// Takes or keeps the place where others grant. Answers whether somebody is ahead, whose turn it
    /// is then; nobody is where no order can be had.
    pub(super) async fn is_behind(&mut self) -> bool {
        let claim = self.claim();
        self.standing = Some(Arc::clone(&claim));
        match self.core.nodes.stand(self.index, &claim, PLACE_LIFE).await {
            Ok(ahead) => {
                self.watch(ahead == 0);
                ahead > 0
            }
            Err(_) => {
                self.watch(true);
                self.leave();
                self.index = (self.index + 1) % self.core.nodes.list().len().max(1);
                false
            }
        }
    }

    fn claim(&self) -> Arc<Claim> {
        Arc::new(Claim::new(Arc::clone(self.keys), "").queued(&self.place))
    }

    fn leave(&self) {
        if let Some(standing) = &self.standing {
            standing.mark_released();
        }
        let claim = self.claim();
        self.core.nodes.leave(self.index, &claim, PLACE_LIFE);
    }
}

fn new_place(core: &Core, keys: &KeySet) -> Arc<Place> {
    let id = rand::rng().next_u64();
    Arc::new(core.naming.place(keys.resource(0), id))
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if !self.served {
            self.leave();
        }
        for key in self.keys.keys() {
            self.core.queues.queue_off(&key.lock, &self.place.own);
        }
    }
}
