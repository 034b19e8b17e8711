//! When fence keys were prolonged last.

use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

/// Which fence keys were prolonged lately.
///
/// Fence keys live for a day beyond their last use. Prolonging them at every acquire costs the
/// server as much as the acquire itself, so this is done once an hour for each key, which leaves
/// them at least 23 hours. A small table is enough: a key that falls out of it is prolonged anew.
pub(super) struct Prolonged {
    started: Instant,
    hasher: RandomState,
    /// Rest of the hash, and the minute, counted from 1.
    slots: Box<[(u32, u32)]>,
}

const SLOTS: u64 = 1024;
const PROLONG_AFTER_MINUTES: u32 = 60;

impl Prolonged {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            hasher: RandomState::new(),
            slots: (0..SLOTS).map(|_| (0, 0)).collect(),
        }
    }

    pub(super) fn is_due(&self, fence: &str) -> bool {
        let (slot, rest) = self.place(fence);
        match self.slots.get(slot) {
            Some((known, minute)) => {
                *minute == 0
                    || *known != rest
                    || self.minute().saturating_sub(*minute) >= PROLONG_AFTER_MINUTES
            }
            None => true,
        }
    }

    pub(super) fn note(&mut self, fence: &str) {
        let (slot, rest) = self.place(fence);
        let minute = self.minute();
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = (rest, minute);
        }
    }

    pub(super) fn forget(&mut self, fence: &str) {
        let (slot, rest) = self.place(fence);
        if let Some(slot) = self.slots.get_mut(slot).filter(|slot| slot.0 == rest) {
            *slot = (0, 0);
        }
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill((0, 0));
    }

    fn place(&self, fence: &str) -> (usize, u32) {
        let hash = self.hasher.hash_one(fence);
        let slot = usize::try_from(hash % SLOTS).unwrap_or_default();
        (slot, u32::try_from(hash >> 32).unwrap_or_default())
    }

    fn minute(&self) -> u32 {
        u32::try_from(self.started.elapsed().as_secs() / 60)
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }
}
