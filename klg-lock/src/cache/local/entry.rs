//! A value that is kept in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use tokio::time::Instant;

use super::ticket::Ticket;

/// A value as it was encoded, and for how long it is good.
#[derive(Debug)]
pub(crate) struct LocalEntry {
    pub(super) key: Arc<str>,
    pub(crate) value: Bytes,
    /// Of the type that was encoded, and by what.
    pub(crate) kind: (&'static str, &'static str),
    /// From here on the server is asked again.
    pub(crate) until: Instant,
    pub(super) ticket: Ticket,
    /// The tickets of its tags.
    pub(super) tags: Box<[Ticket]>,
    pub(super) reads: AtomicU32,
}

impl LocalEntry {
    /// Counts a read; how many there were.
    pub(super) fn read(&self) -> u32 {
        self.reads.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    #[cfg(test)]
    pub(super) fn for_tests(key: &str, bytes: usize) -> Self {
        Self {
            key: key.into(),
            value: vec![0; bytes].into(),
            kind: ("", ""),
            until: Instant::now(),
            ticket: Ticket::for_tests(),
            tags: Box::default(),
            reads: AtomicU32::new(0),
        }
    }

    /// How many tags it carries.
    pub(crate) fn tags(&self) -> usize {
        self.tags.len()
    }
}
