//! One timer task for all extensions and all endings.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, oneshot};

use super::clock::{Clock, Moment};
use super::lease::{Lease, NotExtended, STAY, Todo};
use super::validity::MIN_TTL;
use crate::error::{NodeError, NodeErrorKind, NodeFault, Votes};
use crate::sync::lock;

/// The longest the task sleeps while a lock is held. Timers stand still while the machine is
/// suspended and the clock does not, so the clock is looked at this often.
const LONGEST_SLEEP: Duration = Duration::from_millis(250);

/// Most extensions under way at once; the rest wait in the order in which they are due. Enough to
/// keep a node busy, few enough that none of them meets its deadline in the node's queue.
const IN_FLIGHT: usize = 512;

type Round = Pin<Box<dyn Future<Output = ()> + Send>>;
type Answer = oneshot::Sender<Result<(), NotExtended>>;

/// Extends leases before they end and tells holders when they have ended. Stops with its last user.
#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    agenda: Mutex<Agenda>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Agenda {
    schedule: BTreeMap<(Moment, u64), Weak<Lease>>,
    orders: Vec<Order>,
    /// When the task will look next by itself; `None`: not before it is told.
    next_look: Option<Moment>,
    /// It was woken for a lock that is to be looked at very soon.
    hurried: bool,
    stopped: bool,
}

#[derive(Debug)]
struct Order {
    lease: Arc<Lease>,
    ttl: Duration,
    reserve: u64,
    answer: Option<Answer>,
}

/// What the task does in one turn, and how long it sleeps after it.
struct Due {
    orders: Vec<Order>,
    leases: Vec<Arc<Lease>>,
    sleep: Option<Duration>,
}

impl Keeper {
    /// Starts the task on the current runtime.
    pub(crate) fn start(clock: Arc<dyn Clock>) -> Arc<Self> {
        let shared = Arc::new(Shared {
            clock,
            agenda: Mutex::default(),
            changed: Notify::new(),
        });
        // The task ends when the last `Keeper` is dropped, so nobody has to own its handle.
        drop(tokio::spawn(run(Stop(Arc::clone(&shared)))));
        Arc::new(Self { shared })
    }

    /// Looks after a lease from now on: first at `at`.
    pub(crate) fn watch(&self, lease: &Arc<Lease>, at: Moment) {
        self.shared.put(lease, Some(at));
    }

    /// Forgets a lease that was scheduled for `at`.
    pub(crate) fn forget(&self, lease: &Lease, at: Moment) {
        lock(&self.shared.agenda).schedule.remove(&(at, lease.id()));
    }

    /// Extends now; resolves when it is decided. The extension goes on if the future is dropped.
    pub(crate) async fn extend(
        &self,
        lease: &Arc<Lease>,
        ttl: Duration,
        reserve: u64,
    ) -> Result<(), NotExtended> {
        let (answer, decided) = oneshot::channel();
        self.shared.order(Order {
            lease: Arc::clone(lease),
            ttl,
            reserve,
            answer: Some(answer),
        });
        decided.await.unwrap_or_else(|_| {
            let error = NodeError::new(
                NodeErrorKind::Closed,
                "the runtime that extends this engine's locks has ended; keep it running as long as locks are held",
            );
            let fault = NodeFault::new("engine", error);
            Err(NotExtended::Unsure(Votes(Box::new([fault]))))
        })
    }

    /// Asks the nodes whether the lease still stands, without prolonging it.
    pub(crate) fn verify(&self, lease: &Arc<Lease>) {
        self.shared.order(Order {
            lease: Arc::clone(lease),
            ttl: MIN_TTL,
            reserve: 0,
            answer: None,
        });
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shared.stop());
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn put(&self, lease: &Arc<Lease>, at: Option<Moment>) {
        let mut agenda = lock(&self.agenda);
        if let Some(before) = lease.schedule(at) {
            agenda.schedule.remove(&(before, lease.id()));
        }
        let Some(at) = at else { return };
        agenda
            .schedule
            .insert((at, lease.id()), Arc::downgrade(lease));
        // The task is woken only when it would sleep too long, not once for every lock.
        if agenda.next_look.is_none_or(|look| at < look) {
            agenda.next_look = Some(at);
            agenda.hurried = at.since(self.clock.now()) <= STAY;
            drop(agenda);
            self.changed.notify_one();
        }
    }

    fn order(&self, order: Order) {
        let mut agenda = lock(&self.agenda);
        // Once the task has ended, dropping the order tells whoever waits for it.
        if !agenda.stopped {
            agenda.orders.push(order);
            drop(agenda);
            self.changed.notify_one();
        }
    }

    fn stop(&self) -> Vec<Order> {
        let mut agenda = lock(&self.agenda);
        agenda.stopped = true;
        std::mem::take(&mut agenda.orders)
    }

    /// Everything that is due, and how long to sleep after it.
    fn take_due(&self, room: usize) -> Option<Due> {
        let now = self.clock.now();
        let mut agenda = lock(&self.agenda);
        if agenda.stopped {
            return None;
        }
        let orders = std::mem::take(&mut agenda.orders);
        let mut due = Vec::new();
        while due.len() < room {
            let Some(entry) = agenda
                .schedule
                .first_entry()
                .filter(|entry| entry.key().0 <= now)
            else {
                break;
            };
            due.extend(entry.remove().upgrade());
        }
        let sleep = agenda
            .schedule
            .first_key_value()
            .map(|((at, _), _)| at.since(now).min(LONGEST_SLEEP));
        // Where a lock comes and goes faster than this task runs, the next one would wake it again.
        let sleep = match std::mem::take(&mut agenda.hurried) {
            true => Some(sleep.map_or(STAY, |sleep| sleep.min(STAY))),
            false => sleep,
        };
        agenda.next_look = sleep.map(|sleep| now + sleep);
        Some(Due {
            orders,
            leases: due,
            sleep,
        })
    }
}

/// Tells those who wait for an extension that there will be none, however the task ends: with its
/// last user, or with its runtime.
struct Stop(Arc<Shared>);

impl Drop for Stop {
    fn drop(&mut self) {
        drop(self.0.stop());
    }
}

async fn run(stop: Stop) {
    let shared = &stop.0;
    let mut rounds: FuturesUnordered<Round> = FuturesUnordered::new();
    loop {
        let room = IN_FLIGHT.saturating_sub(rounds.len());
        let Some(due) = shared.take_due(room) else {
            return;
        };
        let Due {
            orders,
            leases,
            mut sleep,
        } = due;
        rounds.extend(
            orders
                .into_iter()
                .map(|order| extend(Arc::clone(shared), order)),
        );
        for lease in leases {
            lease.schedule(None);
            let (todo, look) = lease.due();
            match todo {
                Todo::Nothing => {}
                Todo::Lose => lose(&lease),
                Todo::Extend { ttl } => {
                    rounds.push(extend(
                        Arc::clone(shared),
                        Order {
                            lease: Arc::clone(&lease),
                            ttl,
                            reserve: 0,
                            answer: None,
                        },
                    ));
                }
            }
            if look.is_some() {
                shared.put(&lease, look);
                sleep = Some(sleep.unwrap_or(LONGEST_SLEEP));
            }
        }
        if rounds.len() >= IN_FLIGHT {
            // Nothing more can be started before one of them has ended.
            sleep = Some(LONGEST_SLEEP);
        }
        let nap = async {
            match sleep {
                Some(sleep) => tokio::time::sleep(sleep).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.changed.notified() => {}
            Some(()) = rounds.next() => {}
            () = nap => {}
        }
    }
}

fn extend(shared: Arc<Shared>, order: Order) -> Round {
    Box::pin(async move {
        let Order {
            lease,
            ttl,
            reserve,
            mut answer,
        } = order;
        let decided = |result: Result<(), NotExtended>, look: Option<Moment>| {
            let lost = matches!(result, Err(NotExtended::Lost));
            // An extension that its own release overtook has nothing left to keep.
            if let Err(NotExtended::Unsure(votes)) = &result
                && !lease.claim.is_released()
            {
                tracing::warn!(resource = %lease.claim.keys.describe(), %votes, "a lock could not be extended; trying again while it is valid");
            }
            if let Some(answer) = answer.take() {
                // Nobody may be waiting for it any more.
                let _ = answer.send(result);
            }
            if lost {
                lose(&lease);
            } else if look.is_some() {
                shared.put(&lease, look);
            }
        };
        lease.extend(ttl, reserve, decided).await;
    })
}

fn lose(lease: &Lease) {
    if let Some(hold) = lease.holder() {
        hold.lose();
    }
}
