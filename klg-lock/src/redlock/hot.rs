//! Which resources were contended a moment ago.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Moment;

/// For how long a refusal is remembered: well above the time between two locks of a busy resource.
const MEMORY: Duration = Duration::from_secs(1);

const SLOTS: usize = 256;

/// Remembers refusals in a small table. Two keys that share a slot make each other look contended,
/// which costs a request a slower script and nothing else.
#[derive(Debug)]
pub(crate) struct Hot {
    hasher: RandomState,
    /// When a key of the slot was last refused, in milliseconds of the engine's clock, from 1.
    refused: Box<[AtomicU64]>,
}

impl Hot {
    pub(crate) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            refused: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(crate) fn refused(&self, key: &str, now: Moment) {
        if let Some(slot) = self.slot(key) {
            slot.store(millis(now), Ordering::Relaxed);
        }
    }

    pub(crate) fn is_hot(&self, key: &str, now: Moment) -> bool {
        let last = self
            .slot(key)
            .map_or(0, |slot| slot.load(Ordering::Relaxed));
        last != 0 && u128::from(millis(now).saturating_sub(last)) < MEMORY.as_millis()
    }

    fn slot(&self, key: &str) -> Option<&AtomicU64> {
        let place = self.hasher.hash_one(key) % (SLOTS as u64);
        self.refused.get(usize::try_from(place).unwrap_or_default())
    }
}

fn millis(now: Moment) -> u64 {
    let elapsed = now.since(Moment::from_origin(Duration::ZERO));
    u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_a_second() {
        let hot = Hot::new();
        let at = |ms| Moment::from_origin(Duration::from_millis(ms));
        assert!(!hot.is_hot("k", at(0)));
        hot.refused("k", at(0));
        assert!(hot.is_hot("k", at(999)));
        assert!(!hot.is_hot("k", at(1000)));
    }
}
