//! First come, first served between processes: waiting in the node's own queue.
//!
//! Every request has a place of its own there, so the local queue only keeps its seat for pushes.
//! The node tells a place when it is the first; the first one watches the lock key besides. So a
//! release wakes one waiter, however many there are.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;

use super::contend::{Pending, Progress, Standing, Unclaimed, busy, unavailable};
use super::core::Core;
use super::guard::Lock;
use super::lease::Lease;
use super::queue::{Call, NoSeat, Seat};
use super::request::LockRequest;
use super::round::Attempt;
use crate::error::LockError;
use crate::node::{Claim, KeySet, LockKey, Op, Place};

/// How long a place outlives its waiter's last question: the bound within which a dead waiter is
/// passed over.
const PLACE_LIFE: Duration = Duration::from_secs(5);

/// How often a waiter asks at least, which keeps its place alive.
const REFRESH: Duration = Duration::from_millis(1_600);

/// Beyond the TTL the node told, before asking: expiry is looked at in whole milliseconds.
const EXPIRY_MARGIN: Duration = Duration::from_millis(1);

impl LockRequest {
    /// Waits in the node's queue until the lock is granted.
    pub(super) async fn stand(
        &self,
        keys: &Arc<KeySet>,
        key: &LockKey,
        progress: &mut Progress,
    ) -> Result<Lock, LockError> {
        let core = &self.core;
        let place = core.naming.place(keys.resource(0), rand::rng().next_u64());
        let place = Arc::new(place);
        let seat = match core.queues.enter(&seat_keys(&place), self.terms()) {
            Ok(seat) => seat,
            Err(NoSeat::Busy(_) | NoSeat::Closed) => return Err(LockError::Closed),
        };
        let standing = Standing {
            core,
            seat: Arc::clone(&seat),
            kept: false,
        };
        // Nobody else stands in a line that is named by its place.
        if !matches!(seat.called().await, Call::Ask { .. }) {
            return Err(LockError::Closed);
        }
        let mut queued = Queued::enter(core, keys, &key.lock, &seat, &place);
        let mut delays = self.retry.delays();
        let (mut watch, mut pushed) = (false, false);
        loop {
            seat.reset_pushes();
            progress.attempts += 1;
            progress.tries += u32::from(!pushed);
            let pending = Pending::new(core, keys, self.ttl, Some(&place));
            let op = Op::Queue {
                ttl: self.ttl,
                reserve: 1,
                life: PLACE_LIFE,
                watch,
            };
            match core.nodes.acquire(&pending.claim, op, self.ttl, 1).await {
                Attempt::Acquired {
                    valid_until,
                    tokens,
                } => {
                    let nodes = Arc::clone(&core.nodes);
                    let lease = Lease::new(pending.keep(), nodes, self.ttl, valid_until, tokens);
                    queued.served = true;
                    let lease = Unclaimed {
                        lease: Some(Arc::new(lease)),
                    };
                    match self.take_up(lease).await {
                        Some((lease, token)) => return Ok(self.hold(standing, lease, token)),
                        None => queued.served = false,
                    }
                }
                Attempt::Refused(refusal) => {
                    drop(pending);
                    let busy = busy(&refusal);
                    self.check_count(keys, progress, &busy)?;
                    progress.busy(busy);
                    let first = refusal.ahead == Some(0);
                    if first && !watch {
                        // The release may come before it watches: it asks again at once.
                        watch = true;
                        pushed = true;
                        continue;
                    }
                    let mut pause = REFRESH;
                    if let Some(left) = refusal.free_in.filter(|_| first) {
                        pause = pause.min(left + EXPIRY_MARGIN);
                    }
                    if !core.nodes.pushes() {
                        pause = pause.min(delays.next().unwrap_or(pause));
                    }
                    pushed = self.sleep_or_woken(&seat, 1, pause).await?;
                    watch = first || pushed;
                }
                Attempt::Unavailable(votes) => {
                    drop(pending);
                    if !votes.iter().any(|vote| vote.error.kind().is_transient()) {
                        return Err(unavailable(keys, votes));
                    }
                    progress.outage(votes);
                    let pause = delays.next().unwrap_or_default();
                    pushed = self.sleep_or_woken(&seat, 1, pause).await?;
                }
            }
        }
    }
}

/// A line of the seat's own, under the name by which its place is pushed.
fn seat_keys(place: &Place) -> Arc<KeySet> {
    let key = LockKey {
        lock: Arc::clone(&place.own),
        fence: "".into(),
    };
    Arc::new(KeySet::new(vec![key], place.own.len()))
}

/// A place in a node's queue, given up when the request ends without the lock.
struct Queued<'a> {
    core: &'a Arc<Core>,
    keys: &'a Arc<KeySet>,
    lock_key: &'a Arc<str>,
    seat: &'a Arc<Seat>,
    place: &'a Arc<Place>,
    served: bool,
}

impl<'a> Queued<'a> {
    fn enter(
        core: &'a Arc<Core>,
        keys: &'a Arc<KeySet>,
        lock_key: &'a Arc<str>,
        seat: &'a Arc<Seat>,
        place: &'a Arc<Place>,
    ) -> Self {
        core.queues.queue_up(lock_key, seat);
        Self {
            core,
            keys,
            lock_key,
            seat,
            place,
            served: false,
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if !self.served {
            let claim = Claim::new(Arc::clone(self.keys), "").queued(self.place);
            self.core.nodes.leave(&Arc::new(claim));
        }
        self.core.queues.queue_off(self.lock_key, self.seat);
    }
}
