//! The keys of a memory server: values with their expiry, and who is to be told of changes.
//!
//! Tracking is Redis's one-shot kind with `NOLOOP`: a read registers the client for the key, the
//! next change by another client is pushed to it, and the registration is gone.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::channel::{Channels, Message};
use super::clock::{Clock, Micros, ttl_micros};
use super::value::Value;

/// Which connection reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientId(pub(crate) u64);

/// Redis's default for `tracking-table-max-keys`: beyond it, all readers are told and forgotten.
const MAX_TRACKED: usize = 1_000_000;
/// Below this number of keys the expired ones are not worth looking for.
const MIN_SWEEP: usize = 1024;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    /// On the node's clock; `None` never expires.
    pub(crate) expires: Option<Micros>,
}

/// Something a client is to be told.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) to: ClientId,
    pub(crate) news: News,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A key it has read was changed; `None`: everything may have changed.
    Changed(Option<Arc<str>>),
    /// A message on a channel it listens to.
    Message(Message),
}

#[derive(Debug)]
pub(crate) struct Keyspace {
    pub(crate) clock: Clock,
    /// Whose command is running: it is not told of what it changes itself, or finds expired.
    pub(super) actor: Option<ClientId>,
    entries: HashMap<Arc<str>, Entry>,
    /// The clients that are told of changes to what they have read.
    listeners: BTreeSet<ClientId>,
    readers: HashMap<Arc<str>, Vec<ClientId>>,
    /// Who is told of every change of a key that begins so, their own included.
    broadcasts: Vec<(ClientId, Box<str>)>,
    /// Pushes that wait for the server's lock to be released.
    outbox: Vec<Push>,
    pub(super) channels: Channels,
    sweep_at: usize,
    /// The rule of the lock protocol that is not kept.
    #[cfg(any(test, feature = "test-kit"))]
    pub(crate) broken: Option<super::Rule>,
    /// How often each command was carried out.
    #[cfg(any(test, feature = "test-kit"))]
    pub(super) counts: std::collections::BTreeMap<Box<str>, u64>,
}

impl Keyspace {
    pub(crate) fn new() -> Self {
        Self {
            clock: Clock::new(),
            actor: None,
            entries: HashMap::new(),
            listeners: BTreeSet::new(),
            readers: HashMap::new(),
            broadcasts: Vec::new(),
            outbox: Vec::new(),
            channels: Channels::default(),
            sweep_at: MIN_SWEEP,
            #[cfg(any(test, feature = "test-kit"))]
            broken: None,
            #[cfg(any(test, feature = "test-kit"))]
            counts: std::collections::BTreeMap::new(),
        }
    }

    /// The entry under `key`, unless it has expired by `now`; an expired one is removed and its
    /// readers are told, as Redis does on access.
    pub(crate) fn get(&mut self, key: &str, now: Micros) -> Option<&Entry> {
        let expired = self
            .entries
            .get(key)?
            .expires
            .is_some_and(|expires| expires <= now);
        if expired {
            self.entries.remove(key);
            self.changed(key);
            return None;
        }
        self.entries.get(key)
    }

    /// The entry under `key`, as [`get`](Self::get); who reads it is told of its next change.
    pub(super) fn read(&mut self, key: &str, now: Micros) -> Option<&Entry> {
        let tracked = self
            .actor
            .is_some_and(|actor| self.listeners.contains(&actor));
        if tracked {
            self.track(&key.into());
        }
        self.get(key, now)
    }

    /// The value under `key`, to be changed in place; whoever does so calls
    /// [`changed`](Self::changed).
    pub(super) fn value_mut(&mut self, key: &str, now: Micros) -> Option<&mut Value> {
        self.get(key, now)?;
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// Stores `value`, to expire at `expires` on the node's clock.
    pub(crate) fn set(&mut self, key: Arc<str>, value: Value, expires: Option<Micros>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            *entry = Entry { value, expires };
            self.changed(&key);
        } else {
            self.sweep();
            self.changed(&key);
            self.entries.insert(key, Entry { value, expires });
        }
    }

    /// Like [`set`](Self::set), which allocates a key only where there is none yet.
    pub(crate) fn set_borrowed(&mut self, key: &str, value: Value, expires: Option<Micros>) {
        match self.entries.get_mut(key) {
            Some(entry) => {
                *entry = Entry { value, expires };
                self.changed(key);
            }
            None => self.set(key.into(), value, expires),
        }
    }

    /// Changes the expiry of a key that exists.
    pub(crate) fn expire(&mut self, key: &str, expires: Option<Micros>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.expires = expires;
            self.changed(key);
        }
    }

    /// Deletes a key; returns whether it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let there = self.entries.remove(key).is_some();
        if there {
            self.changed(key);
        }
        there
    }

    /// Registers the client for `key`: the next change by somebody else is pushed to it.
    pub(crate) fn track(&mut self, key: &Arc<str>) {
        let listens = |actor: &ClientId| self.listeners.contains(actor);
        let Some(reader) = self.actor.filter(listens) else {
            return;
        };
        if self.readers.len() >= MAX_TRACKED {
            for (key, readers) in std::mem::take(&mut self.readers) {
                self.outbox.extend(readers.into_iter().map(|to| Push {
                    to,
                    news: News::Changed(Some(key.clone())),
                }));
            }
        }
        let readers = self.readers.entry(key.clone()).or_default();
        if !readers.contains(&reader) {
            readers.push(reader);
        }
    }

    /// Tells a client of changes from now on.
    pub(super) fn listen(&mut self, client: ClientId) {
        self.listeners.insert(client);
    }

    /// Registers the client for all keys that begin with `prefix`, for good.
    pub(crate) fn track_prefix(&mut self, prefix: &str) {
        let Some(reader) = self.actor else { return };
        let wish = (reader, prefix.into());
        if !self.broadcasts.contains(&wish) {
            self.broadcasts.push(wish);
        }
    }

    /// Deletes every key that begins with `prefix`; returns how many there were.
    pub(crate) fn remove_all(&mut self, prefix: &str) -> u64 {
        let matching = self.entries.keys().filter(|key| key.starts_with(prefix));
        let matching: Vec<_> = matching.cloned().collect();
        matching.iter().map(|key| u64::from(self.remove(key))).sum()
    }

    /// Forgets a client that has gone.
    pub(super) fn untrack(&mut self, reader: ClientId) {
        if !self.listeners.remove(&reader) {
            return;
        }
        self.broadcasts.retain(|(client, _)| *client != reader);
        self.readers.retain(|_, readers| {
            readers.retain(|r| *r != reader);
            !readers.is_empty()
        });
    }

    /// The names of all keys that have not expired.
    pub(super) fn keys(&mut self) -> Vec<Arc<str>> {
        let now = self.clock.now();
        let alive = |entry: &Entry| entry.expires.is_none_or(|expires| expires > now);
        let alive = self.entries.iter().filter(|(_, entry)| alive(entry));
        alive.map(|(key, _)| key.clone()).collect()
    }

    /// Removes a key without telling anybody, as when its expiry goes unnoticed.
    #[cfg(any(test, feature = "test-kit"))]
    pub(super) fn forget(&mut self, key: &str) -> bool {
        self.entries.remove(key).is_some()
    }

    #[cfg(any(test, feature = "test-kit"))]
    pub(super) fn entries(&self) -> &HashMap<Arc<str>, Entry> {
        &self.entries
    }

    /// Puts other contents in the place of the present ones, and tells everybody.
    pub(super) fn flush(&mut self, entries: HashMap<Arc<str>, Entry>) {
        self.entries = entries;
        self.readers.clear();
        let all = self.listeners.iter().map(|to| Push {
            to: *to,
            news: News::Changed(None),
        });
        self.outbox.extend(all);
    }

    /// Nobody is to be told of changes any more: the connections are gone.
    #[cfg(any(test, feature = "test-kit"))]
    pub(super) fn forget_readers(&mut self) {
        self.readers.clear();
        self.broadcasts.clear();
        self.outbox.clear();
    }

    /// Counts a command for tests that ask how many there were.
    pub(crate) fn count(&mut self, command: &str) {
        #[cfg(any(test, feature = "test-kit"))]
        match self.counts.get_mut(command) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(command.into(), 1)),
        }
        #[cfg(not(any(test, feature = "test-kit")))]
        let _ = command;
    }

    /// Sends a message; returns how many subscriptions it reaches.
    pub(super) fn publish(&mut self, channel: &str, payload: &[u8]) -> usize {
        let messages = self.channels.publish(channel, payload);
        let reached = messages.len();
        self.outbox
            .extend(messages.into_iter().map(|(to, message)| Push {
                to,
                news: News::Message(message),
            }));
        reached
    }

    /// The pushes that are due, for the server to deliver once its lock is released.
    pub(crate) fn take_pushes(&mut self) -> Vec<Push> {
        std::mem::take(&mut self.outbox)
    }

    /// The absolute expiry of a TTL that starts now.
    pub(crate) fn deadline(now: Micros, ttl: Duration) -> Micros {
        now.saturating_add(ttl_micros(ttl))
    }

    /// Tells the readers of a key, all but the client that changes it.
    pub(super) fn changed(&mut self, key: &str) {
        for (to, prefix) in &self.broadcasts {
            if key.starts_with(&**prefix) {
                self.outbox.push(Push {
                    to: *to,
                    news: News::Changed(Some(key.into())),
                });
            }
        }
        if self.readers.is_empty() {
            return;
        }
        if let Some((key, readers)) = self.readers.remove_entry(key) {
            let others = readers
                .into_iter()
                .filter(|reader| Some(*reader) != self.actor);
            self.outbox.extend(others.map(|to| Push {
                to,
                news: News::Changed(Some(key.clone())),
            }));
        }
    }

    /// Removes what has expired, whenever the number of keys has doubled since the last time, so
    /// that keys nobody asks for again do not pile up.
    fn sweep(&mut self) {
        if self.entries.len() < self.sweep_at {
            return;
        }
        let now = self.clock.now();
        let mut expired = Vec::new();
        self.entries.retain(|key, entry| {
            let keep = entry.expires.is_none_or(|expires| expires > now);
            if !keep {
                expired.push(key.clone());
            }
            keep
        });
        for key in expired {
            self.changed(&key);
        }
        self.sweep_at = self.entries.len().saturating_mul(2).max(MIN_SWEEP);
    }
}
