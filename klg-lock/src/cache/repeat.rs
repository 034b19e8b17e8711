//! Evictions that the server did not take: repeated until it does, or nothing is left to evict.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::core::Core;
use crate::sync::lock;

/// How many evictions are kept in mind; more than that is an outage during a mass update, which a
/// shorter TTL answers better than this process's memory.
const MOST: usize = 100_000;
/// How many are repeated in one round trip.
const BATCH: usize = 128;
const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// The evictions still to be taken, by full key.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    pending: Mutex<Pending>,
    /// How many there are, to be looked at on each call.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Pending {
    keys: HashMap<Box<str>, Instant>,
    running: bool,
    overflown: bool,
}

impl Repeats {
    /// Whether what the server has under a key is known to be out of date.
    pub(crate) fn covers(&self, key: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && lock(&self.pending).keys.contains_key(key)
    }

    /// How many evictions are still to be taken.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Repeats evictions until they are taken, or `until` has passed.
    pub(crate) fn add(&self, core: &Arc<Core>, keys: &[Box<str>], until: Instant) {
        let mut pending = lock(&self.pending);
        for key in keys {
            if pending.keys.len() < MOST || pending.keys.contains_key(key) {
                pending.keys.insert(key.clone(), until);
            } else if !std::mem::replace(&mut pending.overflown, true) {
                tracing::error!(
                    most = MOST,
                    "too many evictions wait for the cache's server; further ones are not repeated, and those keys stay as they are until their TTL ends"
                );
            }
        }
        self.count.store(pending.keys.len(), Ordering::Release);
        if !pending.running && !pending.keys.is_empty() {
            pending.running = true;
            drop(core.runtime.spawn(repeat(Arc::downgrade(core))));
        }
    }

    fn batch(&self) -> Vec<(Box<str>, Instant)> {
        let now = Instant::now();
        let mut pending = lock(&self.pending);
        pending.keys.retain(|_, until| *until > now);
        if pending.keys.is_empty() {
            pending.running = false;
            pending.overflown = false;
        }
        self.count.store(pending.keys.len(), Ordering::Release);
        let batch = pending.keys.iter().take(BATCH);
        batch.map(|(key, until)| (key.clone(), *until)).collect()
    }

    fn taken(&self, batch: &[(Box<str>, Instant)]) {
        let mut pending = lock(&self.pending);
        for (key, until) in batch {
            // A second eviction of the key that came meanwhile has a life of its own.
            if pending.keys.get(key) == Some(until) {
                pending.keys.remove(key);
            }
        }
        self.count.store(pending.keys.len(), Ordering::Release);
    }
}

/// Ends when nothing is left to be taken, or nobody uses the cache any more.
async fn repeat(core: Weak<Core>) {
    let mut delay = FIRST;
    loop {
        sleep(delay).await;
        let Some(core) = core.upgrade().filter(|core| !core.is_closed()) else {
            return;
        };
        let batch = core.repeats.batch();
        if batch.is_empty() {
            return;
        }
        let keys: Vec<_> = batch.iter().map(|(key, _)| key.clone()).collect();
        match core.guarded(true, core.backend.delete(&keys)).await {
            Ok(()) => {
                core.void(&keys);
                core.repeats.taken(&batch);
                delay = Duration::ZERO;
            }
            Err(_) => delay = (delay * 2).clamp(FIRST, LONGEST),
        }
    }
}
