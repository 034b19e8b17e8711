//! Who waits for a change of which key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::sync::lock;

/// The waiters of one cache, by full key.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    waiting: Mutex<HashMap<Box<str>, Arc<Notify>>>,
}

/// One waiter; wake-ups from its creation on are not lost.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    wakes: &'a Wakes,
    key: Box<str>,
    notify: Arc<Notify>,
}

impl Wakes {
    pub(crate) fn register(&self, key: &str) -> Waiter<'_> {
        let mut waiting = lock(&self.waiting);
        let notify = waiting.entry(key.into()).or_default().clone();
        Waiter {
            wakes: self,
            key: key.into(),
            notify,
        }
    }

    /// A key changed.
    pub(crate) fn wake(&self, key: &str) {
        if let Some(notify) = lock(&self.waiting).get(key) {
            // A permit, so that a waiter that is about to look is not passed over; there is one
            // waiter for a key at a time, the others of the process wait for its result.
            notify.notify_one();
            notify.notify_waiters();
        }
    }

    /// Everything may have changed, or pushes may have been lost.
    pub(crate) fn wake_all(&self) {
        for notify in lock(&self.waiting).values() {
            notify.notify_one();
            notify.notify_waiters();
        }
    }
}

impl Waiter<'_> {
    /// Resolves on the next change of the key, or at once if there has been one.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.wakes.waiting);
        // The map's own handle, and this one.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.key);
        }
    }
}
