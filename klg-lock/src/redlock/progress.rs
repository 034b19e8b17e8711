//! What a request has seen while it waited, for the error that ends it.

use super::seat::Busy;
use crate::error::{LockError, NodeErrorKind, Votes};
use crate::node::KeySet;

/// What a request has seen so far, for the error that ends it.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) attempts: u32,
    /// Those that were due by the clock: a push is no try towards `Retry::count`.
    pub(super) tries: u32,
    since: tokio::time::Instant,
    busy: Option<Busy>,
    outage: Option<Votes>,
}

impl Progress {
    pub(super) fn begun(since: tokio::time::Instant) -> Self {
        Self {
            attempts: 0,
            tries: 0,
            since,
            busy: None,
            outage: None,
        }
    }

    pub(super) fn since(&self) -> tokio::time::Instant {
        self.since
    }

    pub(super) fn busy(&mut self, busy: Busy) {
        self.busy = Some(busy);
        self.outage = None;
    }

    /// What is known of the holder when it is somebody else's turn.
    pub(super) fn seen(&mut self) -> &Busy {
        self.outage = None;
        self.busy.get_or_insert_default()
    }

    pub(super) fn outage(&mut self, votes: Votes) {
        self.outage = Some(votes);
    }

    /// The error of a request that has waited or asked as long as it may. Contention and outage are
    /// told apart by what was seen last.
    pub(super) fn gave_up(&mut self, keys: &KeySet) -> LockError {
        let waited = self.since.elapsed();
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

pub(super) fn unavailable(keys: &KeySet, votes: Votes) -> LockError {
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
