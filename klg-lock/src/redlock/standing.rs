//! What a request has taken on its way to a lock, and gives back if it does not get there.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::lease::Lease;
use super::seat::Seat;
use crate::node::{Claim, KeySet, Place};

/// A place in the lines that is given up when the request ends without a lock.
pub(super) struct Standing<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) seat: Arc<Seat>,
    pub(super) kept: bool,
}

impl Standing<'_> {
    pub(super) fn keep(mut self) -> Arc<Seat> {
        self.kept = true;
        Arc::clone(&self.seat)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Some(lease) = self.core.queues.abandon(&self.seat) {
            // It goes on to the next, or is released.
            drop(self.core.pass_on(&self.seat, &lease, true, lease.now()));
        }
        self.core.seat_left();
    }
}

/// An attempt on its way: released when the request is dropped in the middle of it.
pub(super) struct Pending<'a> {
    core: &'a Arc<Core>,
    pub(super) claim: Arc<Claim>,
    ttl: Duration,
    kept: bool,
}

impl<'a> Pending<'a> {
    pub(super) fn new(
        core: &'a Arc<Core>,
        keys: &Arc<KeySet>,
        ttl: Duration,
        place: Option<&Arc<Place>>,
    ) -> Self {
        let claim = Claim::new(Arc::clone(keys), core.identity.fresh_value());
        let claim = match place {
            Some(place) => claim.queued(place),
            None => claim,
        };
        Self {
            core,
            claim: Arc::new(claim),
            ttl,
            kept: false,
        }
    }

    pub(super) fn keep(mut self) -> Arc<Claim> {
        self.kept = true;
        Arc::clone(&self.claim)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.kept && !self.claim.is_released() {
            drop(self.core.nodes.release(&self.claim, self.ttl));
        }
    }
}

/// A lease nobody holds yet: released when the request is dropped before it does.
pub(super) struct Unclaimed {
    pub(super) lease: Option<Arc<Lease>>,
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            drop(lease.release(lease.now()));
        }
    }
}
