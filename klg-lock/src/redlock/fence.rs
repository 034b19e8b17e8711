//! Fencing tokens: ranges, agreement between nodes, and the name of the counter's key.

use crate::slot::{hash_tag, key_slot};
use std::fmt;

/// A number that is larger than that of every earlier holder of the resource.
///
/// Hand it to whatever the lock protects, and have that refuse smaller numbers than the largest it
/// has seen: then even a holder that was paused beyond its lock can do no harm.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
/// let first = redlock.lock("key1").acquire().await?;
/// let token = first.fencing_token();
/// first.release().await?;
/// let second = redlock.lock("key1").acquire().await?;
/// assert!(second.fencing_token() > token);
/// let number: u64 = token.into(); // for a database column
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(u64);

impl From<FencingToken> for u64 {
    fn from(token: FencingToken) -> Self {
        token.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Numbers reserved by one attempt and not yet given out: `(next - 1, end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenRange {
    next: u64,
    end: u64,
}

impl TokenRange {
    /// The `reserved` numbers that end with `end`.
    pub(crate) fn ending_at(end: u64, reserved: u64) -> Self {
        Self {
            next: end.saturating_sub(reserved).saturating_add(1),
            end,
        }
    }

    pub(crate) fn take(&mut self) -> Option<FencingToken> {
        if self.next > self.end {
            return None;
        }
        let token = FencingToken(self.next);
        self.next += 1;
        Some(token)
    }

    /// The counter that a quorum is known to store.
    pub(crate) fn end(self) -> u64 {
        self.end
    }
}

/// What the nodes' counters must agree on before a lock counts as acquired.
///
/// `end` is the largest counter among the grants that made the quorum. It stays; a grant that comes
/// later counts if its counter is at least that, and has to be raised otherwise.
#[derive(Debug)]
pub(crate) struct Agreement {
    pub(crate) end: u64,
    pub(crate) stored: usize,
}

impl Agreement {
    /// From the ends of the grants counted.
    pub(crate) fn among(ends: impl Iterator<Item = u64> + Clone) -> Self {
        let end = ends.clone().max().unwrap_or_default();
        Self {
            end,
            stored: ends.filter(|e| *e >= end).count(),
        }
    }

    pub(crate) fn is_behind(&self, counter: u64) -> bool {
        counter < self.end
    }
}

/// The key of the fencing counter.
pub(crate) fn fence_key(prefix: &str, namespace: &str, resource: &str) -> Box<str> {
    sibling_key("fence:", prefix, namespace, resource)
}

/// The key of the queue in which processes wait for their turn.
pub(crate) fn queue_key(prefix: &str, namespace: &str, resource: &str) -> Box<str> {
    sibling_key("queue:", prefix, namespace, resource)
}

/// A key beside the lock key: in its cluster slot, and beginning with the prefix, because rights
/// are given by prefix.
fn sibling_key(kind: &str, prefix: &str, namespace: &str, resource: &str) -> Box<str> {
    // The tag is looked for in the whole lock key, which is the prefix, the namespace, the resource.
    let lock = [prefix, namespace, resource].concat();
    let name = if hash_tag(&lock).is_some() {
        [prefix, kind, namespace, resource].concat()
    } else if !lock.contains('}') {
        [prefix, kind, "{", &lock, "}"].concat()
    } else {
        // A `}` without a tag before it: no tag can be built around the key, so one with a number
        // is searched that happens to share its slot. Every slot has one below a few hundred thousand.
        let slot = key_slot(&lock);
        let number = (0_u32..)
            .find(|n| key_slot(&n.to_string()) == slot)
            .unwrap_or_default();
        format!("{prefix}{kind}{{{number}}}{namespace}{resource}")
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_of_a_fence_key() {
        assert_eq!(&*fence_key("app_", "lock:", "a"), "app_fence:{app_lock:a}");
        assert_eq!(&*fence_key("app_", "lock:", "{u}a"), "app_fence:lock:{u}a");
        let odd = fence_key("app_", "lock:", "a}b");
        assert!(
            odd.starts_with("app_fence:{") && odd.ends_with("}lock:a}b"),
            "{odd}"
        );
    }

    proptest! {
        #[test]
        fn a_fence_key_shares_its_lock_keys_slot(resource in "[{}a-z]{1,12}") {
            let lock = format!("app_lock:{resource}");
            prop_assert_eq!(key_slot(&fence_key("app_", "lock:", &resource)), key_slot(&lock));
        }

        #[test]
        fn with_a_tag_in_the_prefix_all_keys_share_one_slot(resource in "[{}a-z]{1,12}") {
            let slot = key_slot("{app}_x");
            prop_assert_eq!(key_slot(&format!("{{app}}_lock:{resource}")), slot);
            prop_assert_eq!(key_slot(&fence_key("{app}_", "lock:", &resource)), slot);
        }

        #[test]
        fn two_resources_never_share_a_fence_key(a in "[{}ab]{1,8}", b in "[{}ab]{1,8}") {
            prop_assume!(a != b);
            prop_assert_ne!(fence_key("p_", "lock:", &a), fence_key("p_", "lock:", &b));
        }

        #[test]
        fn a_range_gives_each_number_once_and_in_order(end in 1_u64..1_000_000, reserved in 1_u64..100) {
            prop_assume!(reserved <= end);
            let mut range = TokenRange::ending_at(end, reserved);
            let taken: Vec<u64> = std::iter::from_fn(|| range.take()).map(u64::from).collect();
            prop_assert_eq!(taken, (end - reserved + 1..=end).collect::<Vec<_>>());
        }

        #[test]
        fn agreement_is_on_the_largest_end(ends in prop::collection::vec(0_u64..5, 1..7)) {
            let agreement = Agreement::among(ends.iter().copied());
            prop_assert_eq!(agreement.end, ends.iter().copied().max().unwrap_or_default());
            prop_assert_eq!(agreement.stored, ends.iter().filter(|e| !agreement.is_behind(**e)).count());
            prop_assert!(agreement.stored >= 1);
        }
    }
}
