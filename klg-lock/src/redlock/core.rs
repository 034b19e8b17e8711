//! One engine: its nodes, its lines, its timer, and how locks begin and end.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::clock::{Clock, Moment};
use super::holder::Identity;
use super::hot::Hot;
use super::keeper::Keeper;
use super::lease::Lease;
use super::outcome::Release;
use super::queue::Queues;
use super::resources::Naming;
use super::round::Nodes;
use super::seat::Seat;
use super::settings::Settings;
use crate::node::{Channels, Given, Node, WakeSink};

/// What all `Redlock`s of one engine share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) naming: Naming,
    pub(crate) settings: Settings,
    pub(crate) identity: Identity,
    channels: Channels,
    pub(crate) queues: Queues,
    pub(crate) keeper: Arc<Keeper>,
    closed: AtomicBool,
    /// Bodies of `using` that run now; shutdown waits for them.
    bodies: AtomicUsize,
    changed: Notify,
    pub(crate) hot: Hot,
    /// A moving average of the time an attempt takes, in microseconds.
    round_trip: AtomicU64,
}

impl Core {
    pub(crate) fn new(
        nodes: Vec<Arc<dyn Node>>,
        naming: Naming,
        settings: Settings,
        clock: Arc<dyn Clock>,
        keeper: Arc<Keeper>,
    ) -> Arc<Self> {
        if nodes.len() > 1 && nodes.len().is_multiple_of(2) {
            tracing::warn!(
                nodes = nodes.len(),
                "an even number of Redlock nodes tolerates no more failures than one node fewer"
            );
        }
        let identity = Identity::new(&settings.service);
        let channels = naming.channels(identity.process());
        let nodes = Arc::new(Nodes::new(
            nodes,
            clock,
            settings.drift_factor,
            settings.node_timeout,
        ));
        let core = Arc::new(Self {
            nodes,
            naming,
            settings,
            identity,
            channels,
            queues: Queues::default(),
            keeper,
            closed: AtomicBool::new(false),
            bodies: AtomicUsize::new(0),
            changed: Notify::new(),
            hot: Hot::new(),
            round_trip: AtomicU64::new(0),
        });
        for (index, node) in core.nodes.list().iter().enumerate() {
            let sink: Weak<Self> = Arc::downgrade(&core);
            node.attach(index, sink);
        }
        core
    }

    /// Tells engines apart.
    pub(crate) fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Gives the lease to the next local waiter, or releases it on the nodes and calls the next.
    /// `None`: it was handed over.
    pub(crate) fn pass_on(
        &self,
        seat: &Arc<Seat>,
        lease: &Arc<Lease>,
        may_hand_over: bool,
        now: Moment,
    ) -> Option<impl Future<Output = Release> + Send + use<>> {
        let (handovers, time) = lease.tenure(now);
        let within_bounds =
            handovers < self.settings.handover && time < self.settings.handover_time;
        if may_hand_over && within_bounds && !lease.remaining_at(now).is_zero() {
            lease.count_handover();
            if self.queues.hand_over(seat, lease, |_| true) {
                return None;
            }
        }
        let released = lease.release(now);
        // After the release is queued, so that the next one's attempt comes behind it.
        let exhausted = may_hand_over && !within_bounds && self.settings.handover > 0;
        self.queues.leave(seat, exhausted);
        self.queues.nudge(&lease.claim.keys);
        Some(released)
    }

    /// How long the local head waits before it asks again, so that other processes get a chance:
    /// at least two round trips, in which their wake-up and their attempt arrive.
    pub(crate) fn courtesy(&self) -> Duration {
        (self.round_trip() * 2).max(Duration::from_millis(1))
    }

    /// How long attempts have taken lately.
    pub(crate) fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip.load(Ordering::Relaxed))
    }

    pub(crate) fn record_round_trip(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.round_trip.load(Ordering::Relaxed);
        // A lost update between two attempts does no harm to an average.
        self.round_trip.store(
            before - before / 8 + took.min(1_000_000) / 8,
            Ordering::Relaxed,
        );
    }

    pub(crate) fn body_began(self: &Arc<Self>) -> Body {
        self.bodies.fetch_add(1, Ordering::AcqRel);
        Body {
            core: Arc::clone(self),
        }
    }

    /// A request or a lock has ended; a shutdown may wait for that.
    pub(crate) fn seat_left(&self) {
        if self.is_closed() {
            self.changed.notify_waiters();
        }
    }

    /// Stops taking requests, lets running bodies finish for the configured grace, releases what is
    /// still held, and waits for the nodes to confirm.
    pub(crate) async fn close(&self) {
        // Not only the first time: a shutdown that was dropped half-way can be asked for again.
        self.closed.store(true, Ordering::Release);
        self.queues.close();
        let drained = self.until(|| self.bodies.load(Ordering::Acquire) == 0);
        if tokio::time::timeout(self.settings.shutdown_grace, drained)
            .await
            .is_err()
        {
            tracing::warn!(grace = ?self.settings.shutdown_grace, "bodies were still running under their locks at shutdown; they lose them now");
        }
        for hold in self.queues.close() {
            drop(hold.revoke());
        }
        let bound = Duration::from_secs(2);
        // Requests in the middle of an attempt release what they are granted; the nodes have to be
        // there for that. A request that is never polled again is not waited for.
        let left = self.until(|| self.queues.is_empty());
        drop(tokio::time::timeout(bound, left).await);
        let mut closing: Vec<_> = self
            .nodes
            .list()
            .iter()
            .map(|node| node.close(bound))
            .collect();
        for node in &mut closing {
            node.await;
        }
    }

    /// Resolves once `reached` holds; asked whenever a request, a lock or a body ends.
    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached() {
                return;
            }
            changed.await;
        }
    }
}

impl WakeSink for Core {
    fn wake(&self, index: usize, key: Option<&str>) {
        for lease in self.queues.pushed(index, key) {
            self.keeper.verify(&lease);
        }
    }

    fn given(&self, place: &str, given: Given) {
        self.queues.given(place, given);
    }

    fn wanted(&self, key: &str) {
        let Some(lease) = self.queues.lease(key) else {
            return;
        };
        if let [_] = lease.claim.keys.keys() {
            let place = || Arc::new(self.naming.no_place(lease.claim.keys.resource(0)));
            lease.claim.wanted(place);
        }
    }

    fn channels(&self) -> Option<Channels> {
        (self.nodes.list().len() == 1).then(|| self.channels.clone())
    }
}

/// A body of a `using` that runs; shutdown waits for it.
#[derive(Debug)]
pub(crate) struct Body {
    core: Arc<Core>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.core.bodies.fetch_sub(1, Ordering::AcqRel);
        if self.core.is_closed() {
            self.core.changed.notify_waiters();
        }
    }
}
