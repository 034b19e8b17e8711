//! One request's seat in the lines of its resources: whose turn it is, and what wakes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::guard::Hold;
use super::lease::Lease;
use crate::error::{Holder, Votes};
use crate::node::KeySet;
use crate::sync::lock;

/// One request's place in its lines.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) keys: Arc<KeySet>,
    pub(crate) terms: Terms,
    pub(super) turn: Mutex<Turn>,
    pushed: AtomicU64,
    /// Changes of the lock key concern it: it is in no node's queue, or the first there as far as it
    /// knows.
    watching: AtomicBool,
    changed: Notify,
}

/// What the request would need of a lease that is handed to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) ttl: Duration,
    pub(crate) auto_extend: bool,
    /// Whether it waits when the resource is held.
    pub(crate) patient: bool,
}

/// Who stands in the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy {
    pub(crate) holder: Option<Holder>,
    pub(crate) remaining: Option<Duration>,
}

/// What a seat waits for, or has.
#[derive(Debug)]
pub(super) enum Turn {
    Waiting,
    /// At the head of all lines; has not noticed yet.
    Called {
        pause: bool,
    },
    /// A lease of a holder before, not taken up yet.
    Given(Arc<Lease>),
    /// Talking to the nodes; `refused` once they said that somebody holds it.
    Asking {
        refused: Option<Busy>,
    },
    Holding(Weak<Hold>),
    /// Sent away: not patient, and somebody holds it.
    Dismissed(Busy),
    /// Sent away: not patient, and the nodes could not be asked.
    Failed(Votes),
    Closed,
}

/// What a seat is told to do.
#[derive(Debug)]
pub(crate) enum Call {
    /// Ask the nodes; after a pause where other processes have to get a chance.
    Ask {
        pause: bool,
    },
    /// Go on with this lease.
    Take(Arc<Lease>),
    Dismissed(Busy),
    Failed(Votes),
    Closed,
}

impl Seat {
    pub(super) fn new(keys: Arc<KeySet>, terms: Terms) -> Self {
        Self {
            keys,
            terms,
            turn: Mutex::new(Turn::Waiting),
            pushed: AtomicU64::new(0),
            watching: AtomicBool::new(true),
            changed: Notify::new(),
        }
    }

    pub(super) fn set(&self, turn: Turn) {
        *lock(&self.turn) = turn;
        self.changed.notify_one();
    }

    /// Has it look at its turn again.
    pub(super) fn notice(&self) {
        self.changed.notify_one();
    }

    /// Resolves when it is this seat's turn, or when it never will be.
    ///
    /// # Cancel safety
    /// Nothing is taken from the seat before this resolves.
    pub(crate) async fn called(&self) -> Call {
        loop {
            if let Some(call) = self.take_call() {
                return call;
            }
            self.changed.notified().await;
        }
    }

    pub(super) fn take_call(&self) -> Option<Call> {
        let mut turn = lock(&self.turn);
        let call = match &*turn {
            Turn::Waiting | Turn::Asking { .. } | Turn::Holding(_) => return None,
            Turn::Called { pause } => Call::Ask { pause: *pause },
            Turn::Given(lease) => Call::Take(Arc::clone(lease)),
            Turn::Dismissed(busy) => Call::Dismissed(busy.clone()),
            Turn::Failed(votes) => Call::Failed(votes.clone()),
            Turn::Closed => Call::Closed,
        };
        if matches!(call, Call::Ask { .. } | Call::Take(_)) {
            *turn = Turn::Asking { refused: None };
        }
        Some(call)
    }

    /// The lease it was given and has not taken up.
    pub(super) fn take_given(&self) -> Option<Arc<Lease>> {
        let mut turn = lock(&self.turn);
        let Turn::Given(lease) = &*turn else {
            return None;
        };
        let lease = Arc::clone(lease);
        *turn = Turn::Asking { refused: None };
        Some(lease)
    }

    /// Whether pushes of the lock key are meant for it while it waits in a node's queue.
    pub(crate) fn set_watching(&self, watching: bool) {
        self.watching.store(watching, Ordering::Release);
    }

    /// Forgets earlier pushes: what comes from now on is news for the attempt that begins.
    pub(crate) fn reset_pushes(&self) {
        self.pushed.store(0, Ordering::Release);
    }

    pub(super) fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Acquire)
    }

    pub(super) fn is_asking(&self) -> bool {
        matches!(&*lock(&self.turn), Turn::Asking { .. })
    }

    pub(super) fn pushed_by(&self, index: usize) -> Option<Arc<Lease>> {
        match &*lock(&self.turn) {
            Turn::Asking { .. } => {
                self.pushed.fetch_or(1 << index.min(63), Ordering::AcqRel);
                self.changed.notify_one();
                None
            }
            Turn::Holding(hold) => hold.upgrade().map(|hold| Arc::clone(hold.lease())),
            _ => None,
        }
    }

    /// Resolves when it is worth asking again: a push came from `quorum` nodes, or from one and
    /// the others had `patience` to follow. `false`: the engine was closed meanwhile.
    pub(crate) async fn woken(&self, quorum: usize, patience: Duration) -> bool {
        let mut first = None;
        loop {
            if matches!(&*lock(&self.turn), Turn::Closed) {
                return false;
            }
            let count = usize::try_from(self.pushed.load(Ordering::Acquire).count_ones())
                .unwrap_or_default();
            if count >= quorum {
                return true;
            }
            if count > 0 {
                let until = *first.get_or_insert_with(|| tokio::time::Instant::now() + patience);
                if tokio::time::timeout_at(until, self.changed.notified())
                    .await
                    .is_err()
                {
                    return true;
                }
            } else {
                self.changed.notified().await;
            }
        }
    }
}
