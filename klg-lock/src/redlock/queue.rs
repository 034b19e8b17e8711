//! Who is next inside this process: a first-in, first-out line for each resource.
//!
//! Only the seat that is at the head of all its lines talks to the nodes. A seat for several
//! resources enters all its lines in one step, so that `{a, b}` and `{b, a}` cannot block each
//! other. The holder keeps its seat at the head until it releases.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::guard::Hold;
use super::lease::Lease;
use super::seat::{Busy, Seat, Terms, Turn};
use crate::error::Votes;
use crate::node::{Given, KeySet};
use crate::sync::lock;

/// How many of those who stand in a node's queue for one key ask when this process releases it.
const NUDGED: usize = 2;

/// All lines of one engine.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: HashMap<Arc<str>, Line>,
    /// Seats that wait in a node's own queue, by lock key, in the order in which they came.
    queued: HashMap<Arc<str>, VecDeque<Arc<Seat>>>,
    /// The same seats, by their places.
    places: HashMap<Arc<str>, Placed>,
    closed: bool,
}

/// A seat that waits in a node's own queue.
#[derive(Debug)]
struct Placed {
    seat: Arc<Seat>,
    /// The lock, as the node gave it to whom it may still be.
    given: Option<Given>,
}

#[derive(Debug, Default)]
struct Line {
    seats: VecDeque<Arc<Seat>>,
    /// Seats that leave as soon as the resource turns out to be held. Lets the common case, none,
    /// skip the search for them.
    impatient: usize,
}

/// Why no seat was given.
#[derive(Debug)]
pub(crate) enum NoSeat {
    Busy(Busy),
    Closed,
}

impl Queues {
    /// Takes a seat at the end of all its lines, or none where that would be pointless.
    pub(crate) fn enter(&self, keys: &Arc<KeySet>, terms: Terms) -> Result<Arc<Seat>, NoSeat> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err(NoSeat::Closed);
        }
        if !terms.patient
            && let Some(busy) = inner.busy(keys)
        {
            return Err(NoSeat::Busy(busy));
        }
        let seat = Arc::new(Seat::new(inner.shared(keys), terms));
        for key in keys.keys() {
            let line = inner.lines.entry(Arc::clone(&key.lock)).or_default();
            line.seats.push_back(Arc::clone(&seat));
            line.impatient += usize::from(!terms.patient);
        }
        inner.call_if_head(&seat, false);
        Ok(seat)
    }

    /// Who is known, in this process, to stand in the way of these keys.
    pub(crate) fn busy(&self, keys: &KeySet) -> Option<Busy> {
        lock(&self.inner).busy(keys)
    }

    /// Gives up the seat, and calls whoever is at the head now. With `pause`, after a pause.
    pub(crate) fn leave(&self, seat: &Arc<Seat>, pause: bool) {
        lock(&self.inner).remove(seat, pause);
    }

    /// Gives up the seat of a request that ends without a lock, unless it was given a lease at the
    /// last moment: that is answered, and has to be passed on.
    ///
    /// One step, since leases are given under the same mutex: between a look and the leaving
    /// another thread could hand over a lease that nobody would ever release.
    pub(crate) fn abandon(&self, seat: &Arc<Seat>) -> Option<Arc<Lease>> {
        let mut inner = lock(&self.inner);
        let given = seat.take_given();
        if given.is_none() {
            inner.remove(seat, false);
        }
        given
    }

    /// Hands a lease to the next seat if that wants exactly the same resources and `fits`;
    /// the seat of the holder is given up with it.
    pub(crate) fn hand_over(
        &self,
        seat: &Arc<Seat>,
        lease: &Arc<Lease>,
        fits: impl FnOnce(&Terms) -> bool,
    ) -> bool {
        let mut inner = lock(&self.inner);
        let Some(next) = inner.successor(seat) else {
            return false;
        };
        if inner.closed || !fits(&next.terms) {
            return false;
        }
        inner.unseat(seat);
        next.set(Turn::Given(Arc::clone(lease)));
        true
    }

    /// How many seats behind this one want exactly the same, up to `most`.
    pub(crate) fn followers(&self, seat: &Seat, most: u32) -> u64 {
        let inner = lock(&self.inner);
        let Some(line) = seat
            .keys
            .keys()
            .first()
            .and_then(|key| inner.lines.get(&key.lock))
        else {
            return 0;
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = line
            .seats
            .iter()
            .skip(1)
            .take(most)
            .take_while(|other| other.keys == seat.keys)
            .count();
        u64::try_from(count).unwrap_or_default()
    }

    /// The seat has the lock: those who do not wait are sent away. `false`: the engine was closed
    /// meanwhile, and the lock must not be given out.
    #[must_use]
    pub(crate) fn holds(&self, seat: &Arc<Seat>, hold: &Arc<Hold>) -> bool {
        let mut inner = lock(&self.inner);
        if inner.closed {
            seat.set(Turn::Closed);
            return false;
        }
        seat.set(Turn::Holding(Arc::downgrade(hold)));
        if inner.has_impatient(seat) {
            inner.dismiss_behind(seat, &hold.busy());
        }
        true
    }

    /// The nodes refused the seat: those who do not wait are sent away.
    pub(crate) fn refused(&self, seat: &Arc<Seat>, busy: &Busy) {
        let mut inner = lock(&self.inner);
        if let Turn::Asking { refused } = &mut *lock(&seat.turn) {
            *refused = Some(busy.clone());
        }
        inner.dismiss_behind(seat, busy);
    }

    /// The nodes could not be asked: those who do not wait are told so.
    pub(crate) fn failed(&self, seat: &Arc<Seat>, votes: &Votes) {
        lock(&self.inner).send_away_behind(seat, || Turn::Failed(votes.clone()));
    }

    /// A push from node `index` for `key`, or for everything. Answers the leases that may be gone.
    pub(crate) fn pushed(&self, index: usize, key: Option<&str>) -> Vec<Arc<Lease>> {
        let inner = lock(&self.inner);
        let head = |line: &Line| line.seats.front().and_then(|seat| seat.pushed_by(index));
        let watching = |line: &Line| {
            let seat = line.seats.front()?;
            // Where an order is kept, it is another's turn: were everybody to ask, a release would
            // wake them all.
            if seat.is_asking() && !seat.is_watching() {
                return None;
            }
            seat.pushed_by(index)
        };
        match key {
            Some(key) => {
                // Of many here, only the one that watches the lock key asked to be told of it.
                for seat in inner.queued.get(key).into_iter().flatten() {
                    if seat.is_watching() {
                        drop(seat.pushed_by(index));
                    }
                }
                if let Some(placed) = inner.places.get(key) {
                    drop(placed.seat.pushed_by(index));
                }
                inner
                    .lines
                    .get(key)
                    .and_then(watching)
                    .into_iter()
                    .collect()
            }
            None => inner.lines.values().filter_map(head).collect(),
        }
    }

    /// What this process holds `key` by.
    pub(crate) fn lease(&self, key: &str) -> Option<Arc<Lease>> {
        let inner = lock(&self.inner);
        let front = inner.lines.get(key)?.seats.front()?;
        match &*lock(&front.turn) {
            Turn::Holding(hold) => hold.upgrade().map(|hold| Arc::clone(hold.lease())),
            Turn::Given(lease) => Some(Arc::clone(lease)),
            _ => None,
        }
    }

    /// Enters a seat that waits for `key` in a node's own queue, at `place`.
    pub(crate) fn queue_up(&self, key: &Arc<str>, place: &Arc<str>, seat: &Arc<Seat>) {
        let mut inner = lock(&self.inner);
        seat.set_watching(false);
        let queued = inner.queued.entry(Arc::clone(key)).or_default();
        queued.push_back(Arc::clone(seat));
        let placed = Placed {
            seat: Arc::clone(seat),
            given: None,
        };
        inner.places.insert(Arc::clone(place), placed);
    }

    /// A node gave the lock to the waiter at `place`.
    pub(crate) fn given(&self, place: &str, given: Given) {
        let mut inner = lock(&self.inner);
        // Who has left meanwhile has released it, too.
        if let Some(placed) = inner.places.get_mut(place) {
            placed.given = Some(given);
            drop(placed.seat.pushed_by(0));
        }
    }

    /// What was given to the waiter at `place`, once.
    pub(crate) fn take_given(&self, place: &str) -> Option<Given> {
        lock(&self.inner).places.get_mut(place)?.given.take()
    }

    /// Takes a seat out again, and has the first one left ask: nodes do not push to a client what
    /// it changed itself.
    pub(crate) fn queue_off(&self, key: &Arc<str>, place: &Arc<str>) {
        let mut inner = lock(&self.inner);
        let Some(Placed { seat, .. }) = inner.places.remove(place) else {
            return;
        };
        let Some(queued) = inner.queued.get_mut(key) else {
            return;
        };
        queued.retain(|other| !Arc::ptr_eq(other, &seat));
        seat.set_watching(true);
        if queued.is_empty() {
            inner.queued.remove(key);
        }
        inner.nudge(key);
    }

    /// Lock keys were released by this process: those here who wait for them ask.
    pub(crate) fn nudge(&self, keys: &KeySet) {
        let inner = lock(&self.inner);
        keys.keys().iter().for_each(|key| inner.nudge(&key.lock));
    }

    /// Sends everybody away who waits, and lets nobody in any more. Answers the locks still held.
    pub(crate) fn close(&self) -> Vec<Arc<Hold>> {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        let mut holds: Vec<Arc<Hold>> = Vec::new();
        let mut given = Vec::new();
        for seat in inner.lines.values().flat_map(|line| &line.seats) {
            let mut turn = lock(&seat.turn);
            match &*turn {
                Turn::Holding(hold) => holds.extend(
                    hold.upgrade()
                        .filter(|h| !holds.iter().any(|o| Arc::ptr_eq(o, h))),
                ),
                Turn::Given(lease) => {
                    given.push(Arc::clone(lease));
                    *turn = Turn::Closed;
                }
                _ => *turn = Turn::Closed,
            }
            drop(turn);
            seat.notice();
        }
        drop(inner);
        given
            .iter()
            .for_each(|lease| drop(lease.release(lease.now())));
        holds
    }

    /// Nobody holds anything, and nobody is on the way to it.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.inner).lines.is_empty()
    }

    /// The locks that are held now.
    pub(crate) fn held(&self) -> usize {
        let inner = lock(&self.inner);
        inner
            .lines
            .values()
            .filter(|l| {
                l.seats
                    .front()
                    .is_some_and(|s| matches!(&*lock(&s.turn), Turn::Holding(_)))
            })
            .count()
    }
}

impl Line {
    /// Whether somebody is known to hold it, which sends those away who do not wait.
    fn busy(&self) -> Option<Busy> {
        let front = self.seats.front()?;
        match &*lock(&front.turn) {
            Turn::Holding(hold) => Some(hold.upgrade().map(|hold| hold.busy()).unwrap_or_default()),
            Turn::Asking {
                refused: Some(busy),
            } => Some(busy.clone()),
            // It waits for another of its resources, so that this one is as good as held.
            Turn::Waiting if front.terms.patient => Some(Busy::default()),
            // Those who wait came because it was held, and are next.
            _ => self
                .seats
                .iter()
                .skip(1)
                .any(|seat| seat.terms.patient)
                .then(Busy::default),
        }
    }
}

impl Inner {
    fn busy(&self, keys: &KeySet) -> Option<Busy> {
        let mut lines = keys.keys().iter();
        lines.find_map(|key| self.lines.get(&key.lock)?.busy())
    }

    /// The same keys, as those in front name them.
    fn shared(&self, keys: &Arc<KeySet>) -> Arc<KeySet> {
        let first = keys.keys().first();
        let front = first.and_then(|key| self.lines.get(&key.lock)?.seats.front());
        let same = front
            .map(|seat| &seat.keys)
            .filter(|theirs| *theirs == keys);
        Arc::clone(same.unwrap_or(keys))
    }

    fn is_head(&self, seat: &Arc<Seat>) -> bool {
        seat.keys.keys().iter().all(|key| {
            self.lines
                .get(&key.lock)
                .and_then(|line| line.seats.front())
                .is_some_and(|front| Arc::ptr_eq(front, seat))
        })
    }

    fn call_if_head(&self, seat: &Arc<Seat>, pause: bool) {
        if matches!(&*lock(&seat.turn), Turn::Waiting) && self.is_head(seat) {
            seat.set(Turn::Called { pause });
        }
    }

    /// The seat that is next in every line of `seat`, if it wants exactly the same and waits.
    fn successor(&self, seat: &Arc<Seat>) -> Option<Arc<Seat>> {
        let mut lines = seat.keys.keys().iter().map(|key| self.lines.get(&key.lock));
        let next = lines.next()??.seats.get(1)?;
        let same = next.keys == seat.keys
            && lines.all(|line| {
                line.and_then(|l| l.seats.get(1))
                    .is_some_and(|other| Arc::ptr_eq(other, next))
            });
        (same && matches!(&*lock(&next.turn), Turn::Waiting)).then(|| Arc::clone(next))
    }

    /// Takes the seat out of its lines; answers those that are at the front of one now.
    fn unseat(&mut self, seat: &Arc<Seat>) -> Vec<Arc<Seat>> {
        let mut fronts = Vec::new();
        for key in seat.keys.keys() {
            let Some(line) = self.lines.get_mut(&key.lock) else {
                continue;
            };
            let Some(place) = line.seats.iter().position(|other| Arc::ptr_eq(other, seat)) else {
                continue;
            };
            line.seats.remove(place);
            line.impatient -= usize::from(!seat.terms.patient);
            match line.seats.front() {
                None => drop(self.lines.remove(&key.lock)),
                Some(front) if place == 0 => fronts.push(Arc::clone(front)),
                Some(_) => {}
            }
        }
        fronts
    }

    /// Has those ask who wait for `key` here: the first in the node's queue, and the head of the
    /// line, which may want more than this key and so stands in no queue.
    fn nudge(&self, key: &Arc<str>) {
        let queued = self.queued.get(key).into_iter().flatten().enumerate();
        // The node may have them in another order than this process, and have passed over the first
        // here, if nobody looked after it for so long.
        let queued = queued.filter(|(index, seat)| *index < NUDGED || seat.is_watching());
        let head = self.lines.get(key).and_then(|line| line.seats.front());
        for seat in queued.map(|(_, seat)| seat).chain(head) {
            drop(seat.pushed_by(0));
        }
    }

    fn remove(&mut self, seat: &Arc<Seat>, pause: bool) {
        for front in self.unseat(seat) {
            self.call_if_head(&front, pause);
        }
    }

    fn has_impatient(&self, seat: &Seat) -> bool {
        seat.keys.keys().iter().any(|key| {
            self.lines
                .get(&key.lock)
                .is_some_and(|line| line.impatient > 0)
        })
    }

    fn dismiss_behind(&mut self, seat: &Arc<Seat>, busy: &Busy) {
        self.send_away_behind(seat, || Turn::Dismissed(busy.clone()));
    }

    /// Sends those away behind `seat` who do not wait.
    fn send_away_behind(&mut self, seat: &Arc<Seat>, turn: impl Fn() -> Turn) {
        if !self.has_impatient(seat) {
            return;
        }
        let behind: Vec<Arc<Seat>> = seat
            .keys
            .keys()
            .iter()
            .filter_map(|key| self.lines.get(&key.lock))
            .flat_map(|line| line.seats.iter().skip(1))
            .filter(|other| !other.terms.patient && !Arc::ptr_eq(other, seat))
            .cloned()
            .collect();
        for other in behind {
            self.remove(&other, false);
            other.set(turn());
        }
    }
}
