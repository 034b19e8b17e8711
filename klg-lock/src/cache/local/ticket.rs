//! What a value of this process rests on: tickets, made worthless by each change that is announced.
//!
//! A value is good only for as long as the *ticket* that was drawn before it was read: each change
//! that the server announces makes the tickets of that key (and of few others, by hash) worthless,
//! and each loss of the announcing connection makes all of them so. A change announced while a
//! reply was under way therefore cannot be missed, whichever arrives first.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use redis::{PushInfo, Value};

use crate::cache::backend::for_each_invalidated;
use crate::client::Listener;

/// How many keys share their tickets' fate: few, at 512 KiB a cache.
const SLOTS: usize = 1 << 16;

/// A place in the table, and what it showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    slot: usize,
    shown: u64,
    era: u64,
}

#[cfg(test)]
impl Ticket {
    pub(super) fn for_tests() -> Self {
        Self {
            slot: 0,
            shown: 0,
            era: 0,
        }
    }
}

/// What makes tickets worthless.
pub(super) struct Tickets {
    /// Odd while announcements come in; moves on with each loss of the connection.
    era: AtomicU64,
    slots: Box<[AtomicU64]>,
    pub(super) hasher: RandomState,
    /// What keys begin with, on the server.
    entries: Box<str>,
    tags: Box<str>,
}

impl Tickets {
    pub(super) fn new(entries: &str, tags: &str) -> Self {
        Self {
            era: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
            entries: entries.into(),
            tags: tags.into(),
        }
    }

    /// The prefixes to be told of; none inside another, which Redis refuses.
    pub(super) fn prefixes(&self) -> Vec<Box<str>> {
        if self.tags.starts_with(&*self.entries) {
            return vec![self.entries.clone()];
        }
        vec![self.entries.clone(), self.tags.clone()]
    }

    pub(super) fn draw(&self, slot: usize) -> Option<Ticket> {
        let era = self.era.load(Ordering::Acquire);
        // An even era: nothing that is read now would be announced.
        (era % 2 == 1).then(|| Ticket {
            slot,
            shown: self.shown(slot),
            era,
        })
    }

    fn shown(&self, slot: usize) -> u64 {
        self.slots
            .get(slot)
            .map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    pub(super) fn is_good(&self, ticket: &Ticket) -> bool {
        self.era.load(Ordering::Acquire) == ticket.era && self.shown(ticket.slot) == ticket.shown
    }

    pub(super) fn slot(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or(0) % SLOTS
    }

    /// Of a full key; those of entries are known here without what they all begin with.
    pub(super) fn slot_of(&self, full_key: &str) -> usize {
        let key = full_key.strip_prefix(&*self.entries).unwrap_or(full_key);
        self.slot(self.hasher.hash_one(key))
    }

    pub(super) fn void(&self, full_key: &str) {
        let slot = self.slot_of(full_key);
        if let Some(slot) = self.slots.get(slot) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Nothing from before is good, and changes are announced from here on, or not.
    pub(super) fn begin(&self, announced: bool) {
        let next = |era| Some(era + if (era % 2 == 1) == announced { 2 } else { 1 });
        let set = self
            .era
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        debug_assert!(set.is_ok());
    }

    /// Nothing from before is good.
    pub(super) fn void_all(&self) {
        self.era.fetch_add(2, Ordering::AcqRel);
    }
}

impl Listener for Tickets {
    fn connected(&self, resp3: bool, replies: &[Value]) {
        let tracking = matches!(replies.first(), Some(Value::Okay));
        if !(resp3 && tracking) {
            tracing::warn!(
                "the server does not announce changes (CLIENT TRACKING refused, or RESP2): cached values are not kept in the process"
            );
        }
        self.begin(resp3 && tracking);
    }

    fn pushed(&self, push: PushInfo) {
        for_each_invalidated(&push, |key| match key {
            Some(key) => self.void(key),
            None => self.void_all(),
        });
    }

    fn disconnected(&self) {
        self.begin(false);
    }
}
