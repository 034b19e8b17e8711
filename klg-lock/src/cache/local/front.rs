//! The front of L1: those few of its values that are read again and again, each in a place of its own.
//!
//! `moka` keeps what a process reads within bounds, and pays for that with some book-keeping on each
//! read: more than the rest of a hit. What is found here goes past it, but for one read in
//! [`PAST`], by which `moka` still learns what is wanted.

use std::fmt;
use std::sync::{Arc, RwLock};

use super::entry::LocalEntry;

/// Few, so that what they hold does not count beside the bound on all of L1.
const PLACES: usize = 256;
/// Larger values do not get one.
const LARGEST: usize = 4 * 1024;
/// What all places together may hold is less than a share of L1, or there are none.
const SHARE: u64 = 16;
/// A value gets a place on every so many of its reads.
const ENTRY: u32 = 8;
/// One of so many reads goes to the whole L1.
const PAST: u32 = 64;

/// The places; a value's key names its place.
pub(super) struct Front {
    places: Box<[RwLock<Option<Arc<LocalEntry>>>]>,
}

impl Front {
    /// Of an L1 that may take so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        let most = u64::try_from(PLACES * LARGEST).unwrap_or(u64::MAX);
        let count = if max_bytes / SHARE < most { 0 } else { PLACES };
        Self {
            places: (0..count).map(|_| RwLock::new(None)).collect(),
        }
    }

    fn place(&self, hash: u64) -> Option<&RwLock<Option<Arc<LocalEntry>>>> {
        self.places.get(usize::try_from(hash).unwrap_or(0) % PLACES)
    }

    /// A value that has a place. Whoever would have to wait does without.
    pub(super) fn get(&self, hash: u64, key: &str) -> Option<Arc<LocalEntry>> {
        let place = self.place(hash)?.try_read().ok()?;
        let entry = place.as_ref().filter(|entry| *entry.key == *key)?;
        (!entry.read().is_multiple_of(PAST)).then(|| entry.clone())
    }

    /// A value was read from the whole L1: it gets a place, if that happens often.
    pub(super) fn offer(&self, hash: u64, entry: &Arc<LocalEntry>) {
        if entry.read().is_multiple_of(ENTRY)
            && entry.value.len() <= LARGEST
            && let Some(place) = self.place(hash)
            && let Ok(mut place) = place.try_write()
        {
            *place = Some(entry.clone());
        }
    }

    /// What is in a key's place has been replaced, or is good no more.
    pub(super) fn vacate(&self, hash: u64) {
        if let Some(place) = self.place(hash) {
            // Poison: nothing is left half done by an assignment.
            *place.write().unwrap_or_else(|poison| poison.into_inner()) = None;
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("places", &self.places.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 64 * 1024 * 1024;

    fn entry(key: &str, bytes: usize) -> Arc<LocalEntry> {
        Arc::new(LocalEntry::for_tests(key, bytes))
    }

    fn read(front: &Front, entry: &Arc<LocalEntry>, times: u32) {
        for _ in 0..times {
            front.offer(7, entry);
        }
    }

    #[test]
    fn what_is_read_often_gets_a_place_and_keeps_it_until_it_is_vacated() {
        let (front, entry) = (Front::new(LARGE), entry("k", 10));
        read(&front, &entry, ENTRY - 1);
        assert!(front.get(7, "k").is_none());
        read(&front, &entry, 1);
        assert!(front.get(7, "k").is_some());
        assert!(front.get(7, "of another key").is_none());
        front.vacate(7);
        assert!(front.get(7, "k").is_none());
    }

    #[test]
    fn some_reads_go_past_it() {
        let (front, entry) = (Front::new(LARGE), entry("k", 10));
        read(&front, &entry, ENTRY);
        let found = (0..PAST * 4).filter(|_| front.get(7, "k").is_some());
        assert_eq!(found.count(), usize::try_from(PAST * 4 - 4).unwrap());
    }

    #[test]
    fn neither_a_large_value_nor_a_small_cache_has_places() {
        let large = entry("k", LARGEST + 1);
        for (front, entry) in [
            (Front::new(LARGE), large),
            (Front::new(1024), entry("k", 1)),
        ] {
            read(&front, &entry, ENTRY * 4);
            assert!(front.get(7, "k").is_none());
        }
    }
}
