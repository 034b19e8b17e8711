//! How long values last that were looked at a moment ago: the next look need not ask again.
//!
//! A value's end is one point in time from the moment it is stored, whatever becomes of the load that
//! is to replace it, and its stamp tells it from every other value. Whoever knows the end of a value
//! needs only its bytes, which say whether it is still the same one; asking for the TTL as well would
//! cost the server a command with each hit.

use std::hash::BuildHasher;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::cache::record::{Nonce, edit};
use crate::sync::lock;

/// Keys that share a place take turns in it: only what is read again and again is worth one.
const PLACES: usize = 1 << 10;
/// The server's clock may be set, a TTL be changed by hand, and this machine may sleep: after this
/// long it is asked again.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What is known of the values behind some keys.
#[derive(Debug)]
pub(super) struct Terms {
    places: Box<[Mutex<Option<Term>>]>,
    hasher: RandomState,
}

/// When a value ends, its grace period included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    stamp: Nonce,
    /// By how much the key outlives it, in milliseconds.
    extra: u64,
    ends: Instant,
    learned: Instant,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
        }
    }
}

impl Terms {
    fn place(&self, key: &str) -> Option<&Mutex<Option<Term>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0);
        self.places.get(hash % PLACES)
    }

    /// What is known, unless it was learned too long ago.
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Term> {
        let term = (*lock(self.place(key)?))?;
        (now < term.learned + GOOD_FOR && now < term.ends).then_some(term)
    }

    /// Remembers a value that was seen with this TTL by a look that began at `asked`.
    pub(super) fn learn(&self, key: &str, asked: Instant, pttl: Duration, bytes: Option<&Bytes>) {
        let Some(place) = self.place(key) else { return };
        let term = bytes.and_then(|bytes| {
            let head = edit::read(bytes).filter(|head| head.has_value && head.is_free())?;
            let left = pttl.checked_sub(Duration::from_millis(head.extra))?;
            Some(Term {
                stamp: head.stamp,
                extra: head.extra,
                ends: asked.checked_add(left)?,
                learned: asked,
            })
        });
        // Whatever was known is not so any more, if this is nothing to be known.
        *lock(place) = term;
    }
}

impl Term {
    /// The TTL of the key that holds these bytes; `None`: they are another value, or being replaced.
    pub(super) fn pttl(&self, bytes: &Bytes, now: Instant) -> Option<Duration> {
        let head = edit::read(bytes).filter(|head| head.has_value && head.is_free())?;
        let left = self.ends.checked_duration_since(now)?;
        let same = head.stamp == self.stamp && head.extra == self.extra;
        let pttl = left.checked_add(Duration::from_millis(head.extra))?;
        (same && !left.is_zero()).then_some(pttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::record::{Label, Packing, placeholder, write};

    fn entry() -> Bytes {
        let label = Label {
            packing: Packing::Plain,
            fingerprint: 7,
            stale: Duration::from_secs(2),
            load: Duration::ZERO,
        };
        write(&label, &[], b"value").into()
    }

    #[test]
    fn a_known_value_is_known_by_its_stamp() {
        let (terms, now, bytes) = (Terms::default(), Instant::now(), entry());
        terms.learn("k", now, Duration::from_secs(5), Some(&bytes));
        let later = now + Duration::from_millis(500);
        let term = terms.get("k", later).unwrap();
        assert_eq!(term.pttl(&bytes, later), Some(Duration::from_millis(4500)));
        assert_eq!(term.pttl(&entry(), later), None);
        assert!(terms.get("other", later).is_none());
    }

    #[test]
    fn what_was_learned_is_asked_again_after_a_while() {
        let (terms, now) = (Terms::default(), Instant::now());
        terms.learn("k", now, Duration::from_secs(5), Some(&entry()));
        assert!(terms.get("k", now + GOOD_FOR).is_none());
    }

    #[test]
    fn nothing_is_learned_of_a_value_that_somebody_replaces() {
        let (terms, now, bytes) = (Terms::default(), Instant::now(), entry());
        terms.learn("k", now, Duration::from_secs(5), Some(&bytes));
        let mut held = bytes.to_vec();
        let mut head = edit::read(&held).unwrap();
        head.token = Nonce::fresh();
        edit::patch(&mut held, &head);
        let held = Bytes::from(held);
        let term = terms.get("k", now).unwrap();
        assert_eq!(term.pttl(&held, now), None);
        for bytes in [Some(&held), Some(&placeholder(Nonce::fresh()).into()), None] {
            terms.learn("k", now, Duration::from_secs(5), Some(&entry()));
            terms.learn("k", now, Duration::from_secs(5), bytes);
            assert!(terms.get("k", now).is_none());
        }
    }
}
