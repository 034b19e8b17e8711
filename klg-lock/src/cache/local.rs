//! L1: values kept in this process, dropped as soon as anybody changes their key.
//!
//! A value is good only for as long as the *ticket* that was drawn before it was read: each change
//! that the server announces makes the tickets of that key (and of few others, by hash) worthless,
//! and each loss of the announcing connection makes all of them so. A change announced while a
//! reply was under way therefore cannot be missed, whichever arrives first.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use moka::sync::Cache as Moka;
use redis::{Cmd, PushInfo, Value};
use tokio::time::Instant;

use super::backend::for_each_invalidated;
use super::front::Front;
use crate::client::{Endpoint, Link, LinkOptions, Listener};
#[cfg(feature = "cluster")]
use crate::client::{Kind, Masters};
use crate::config::L1Config;
use crate::error::Error;
use crate::memory::{self, News, PushSink, Server};

/// How many keys share their tickets' fate: few, at 512 KiB a cache.
const SLOTS: usize = 1 << 16;
/// What an entry takes besides its bytes, roughly.
const OVERHEAD: usize = 200;
/// A connection whose death no announcement survives is found out within this time and a little.
const PING: Duration = Duration::from_secs(1);

/// The values of one cache in this process.
pub(crate) struct Local {
    entries: Moka<Arc<str>, Arc<LocalEntry>, RandomState>,
    front: Front,
    tickets: Arc<Tickets>,
    hasher: RandomState,
    ttl: Duration,
    /// Announces changes.
    source: Source,
}

/// Where announcements come from; held so that they keep coming.
enum Source {
    Redis {
        link: Link,
    },
    #[cfg(feature = "cluster")]
    Cluster {
        masters: Masters,
    },
    Memory {
        _link: Arc<memory::Link>,
    },
}

impl Source {
    async fn open(
        endpoint: &Endpoint,
        options: LinkOptions,
        tickets: Arc<Tickets>,
    ) -> Result<Self, Error> {
        #[cfg(feature = "cluster")]
        if matches!(endpoint.kind, Kind::Cluster(_)) {
            let masters = Masters::open(endpoint, options, tickets).await?;
            return Ok(Self::Cluster { masters });
        }
        let options = LinkOptions {
            listener: Some(tickets),
            ..options
        };
        let link = Link::open(endpoint, options).await?;
        Ok(Self::Redis { link })
    }

    /// Connects, where that was put off until a value is to be kept.
    fn want(&self) {
        match self {
            Self::Redis { link } => link.want(),
            #[cfg(feature = "cluster")]
            Self::Cluster { masters } => masters.want(),
            Self::Memory { .. } => {}
        }
    }

    async fn close(&self) {
        match self {
            Self::Redis { link } => link.close().await,
            #[cfg(feature = "cluster")]
            Self::Cluster { masters } => masters.close().await,
            Self::Memory { .. } => {}
        }
    }
}

/// A value as it was encoded, and for how long it is good.
#[derive(Debug)]
pub(crate) struct LocalEntry {
    pub(super) key: Arc<str>,
    pub(crate) value: Bytes,
    /// Of the type that was encoded, and by what.
    pub(crate) kind: (&'static str, &'static str),
    /// From here on the server is asked again.
    pub(crate) until: Instant,
    ticket: Ticket,
    /// The tickets of its tags.
    tags: Box<[Ticket]>,
    reads: AtomicU32,
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
            ticket: Ticket {
                slot: 0,
                shown: 0,
                era: 0,
            },
            tags: Box::default(),
            reads: AtomicU32::new(0),
        }
    }

    /// How many tags it carries.
    pub(crate) fn tags(&self) -> usize {
        self.tags.len()
    }
}

/// A place in the table, and what it showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    slot: usize,
    shown: u64,
    era: u64,
}

/// What makes tickets worthless.
struct Tickets {
    /// Odd while announcements come in; moves on with each loss of the connection.
    era: AtomicU64,
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
    /// What keys begin with, on the server.
    entries: Box<str>,
    tags: Box<str>,
}

impl Tickets {
    fn draw(&self, slot: usize) -> Option<Ticket> {
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

    fn is_good(&self, ticket: &Ticket) -> bool {
        self.era.load(Ordering::Acquire) == ticket.era && self.shown(ticket.slot) == ticket.shown
    }

    fn slot(&self, hash: u64) -> usize {
        usize::try_from(hash >> 32).unwrap_or(0) % SLOTS
    }

    /// Of a full key; those of entries are known here without what they all begin with.
    fn slot_of(&self, full_key: &str) -> usize {
        let key = full_key.strip_prefix(&*self.entries).unwrap_or(full_key);
        self.slot(self.hasher.hash_one(key))
    }

    fn void(&self, full_key: &str) {
        let slot = self.slot_of(full_key);
        if let Some(slot) = self.slots.get(slot) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Nothing from before is good, and changes are announced from here on, or not.
    fn begin(&self, announced: bool) {
        let next = |era| Some(era + if (era % 2 == 1) == announced { 2 } else { 1 });
        let set = self
            .era
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        debug_assert!(set.is_ok());
    }

    /// Nothing from before is good.
    fn void_all(&self) {
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

/// The memory server's announcements.
struct Announcements {
    tickets: Arc<Tickets>,
    link: std::sync::Weak<memory::Link>,
}

impl Announcements {
    fn register(&self) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let prefixes = self.tickets.prefixes();
        // A memory server carries the command out before it returns.
        drop(link.send(None, move |keys| {
            for prefix in &prefixes {
                keys.track_prefix(prefix);
            }
            Ok(())
        }));
    }
}

impl PushSink for Announcements {
    fn push(&self, news: News) {
        match news {
            News::Changed(Some(key)) => self.tickets.void(&key),
            News::Changed(None) => {
                self.register();
                self.tickets.begin(true);
            }
            News::Message(_) => {}
        }
    }

    fn disconnected(&self) {
        self.tickets.begin(false);
    }
}

impl Tickets {
    fn new(entries: &str, tags: &str) -> Self {
        Self {
            era: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
            entries: entries.into(),
            tags: tags.into(),
        }
    }

    /// The prefixes to be told of; none inside another, which Redis refuses.
    fn prefixes(&self) -> Vec<Box<str>> {
        if self.tags.starts_with(&*self.entries) {
            return vec![self.entries.clone()];
        }
        vec![self.entries.clone(), self.tags.clone()]
    }
}

impl Local {
    /// `entries`, `tags`: what the keys of entries and of tags begin with.
    pub(crate) async fn open(
        config: &L1Config,
        endpoint: &Endpoint,
        options: LinkOptions,
        memory: Option<Arc<Server>>,
        (entries, tags): (&str, &str),
    ) -> Result<Self, Error> {
        let tickets = Arc::new(Tickets::new(entries, tags));
        let source = match memory {
            Some(server) => {
                let link = Arc::new(memory::Link::new(server));
                let announcements = Announcements {
                    tickets: tickets.clone(),
                    link: Arc::downgrade(&link),
                };
                let announcements = Arc::new(announcements);
                link.listen(announcements.clone());
                announcements.register();
                if link.server().pushes() {
                    tickets.begin(true);
                }
                Source::Memory { _link: link }
            }
            None => {
                let mut tracking = Cmd::new();
                tracking.arg(&["CLIENT", "TRACKING", "ON", "BCAST"]);
                for prefix in tickets.prefixes() {
                    tracking.arg("PREFIX").arg(&*prefix);
                }
                let options = LinkOptions {
                    set_up: vec![tracking],
                    ping_interval: PING,
                    // The cache's other connection says what is to be said about that.
                    require_connection: false,
                    ..options
                };
                Source::open(endpoint, options, tickets.clone()).await?
            }
        };
        let hasher = tickets.hasher.clone();
        Ok(Self {
            entries: Moka::builder()
                .max_capacity(config.max_bytes)
                .weigher(|key: &Arc<str>, entry: &Arc<LocalEntry>| {
                    let bytes = key.len() + entry.value.len() + OVERHEAD;
                    u32::try_from(bytes).unwrap_or(u32::MAX)
                })
                .build_with_hasher(hasher.clone()),
            front: Front::new(config.max_bytes),
            tickets,
            hasher,
            ttl: config.ttl,
            source,
        })
    }

    /// A value that is good now. The key is without what all entries' keys begin with.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<LocalEntry>> {
        let hash = self.hasher.hash_one(key);
        if let Some(entry) = self.front.get(hash, key) {
            if self.is_good(&entry) {
                return Some(entry);
            }
            self.front.vacate(hash);
        }
        let entry = self.entries.get(key)?;
        if !self.is_good(&entry) {
            self.entries.invalidate(key);
            return None;
        }
        self.front.offer(hash, &entry);
        Some(entry)
    }

    fn is_good(&self, entry: &LocalEntry) -> bool {
        self.tickets.is_good(&entry.ticket)
            && entry.tags.iter().all(|tag| self.tickets.is_good(tag))
            && Instant::now() < entry.until
    }

    /// To be drawn before the key is read; `None`: what is read cannot be kept.
    pub(crate) fn ticket(&self, key: &str) -> Option<Ticket> {
        let slot = self.tickets.slot(self.hasher.hash_one(key));
        let ticket = self.tickets.draw(slot);
        if ticket.is_none() {
            self.source.want();
        }
        ticket
    }

    /// The same for a tag, by its full key.
    pub(crate) fn tag_ticket(&self, key: &str) -> Option<Ticket> {
        self.tickets.draw(self.tickets.slot_of(key))
    }

    /// Keeps a value that was read after the tickets were drawn.
    pub(crate) fn keep(
        &self,
        key: &str,
        value: Bytes,
        kind: (&'static str, &'static str),
        until: Instant,
        ticket: Ticket,
        tags: Box<[Ticket]>,
    ) {
        let name: Arc<str> = key.into();
        let entry = LocalEntry {
            key: name.clone(),
            value,
            kind,
            until,
            ticket,
            tags,
            reads: AtomicU32::new(0),
        };
        self.entries.insert(name, Arc::new(entry));
        self.front.vacate(self.hasher.hash_one(key));
    }

    /// The longest that a value is kept.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Drops what rests on a full key, of an entry or of a tag, which this process changed itself.
    pub(crate) fn void(&self, key: &str) {
        self.tickets.void(key);
    }

    /// Closes the connection by which changes are announced; nothing is served from here any more.
    pub(crate) async fn close(&self) {
        self.source.close().await;
        self.tickets.begin(false);
    }

    /// Drops everything.
    pub(crate) fn void_all(&self) {
        self.tickets.void_all();
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
