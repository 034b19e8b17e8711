//! L1: values kept in this process, dropped as soon as anybody changes their key.

mod entry;
mod front;
mod source;
mod ticket;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use moka::sync::Cache as Moka;
use tokio::time::Instant;

use self::entry::LocalEntry;
use self::front::Front;
use self::source::Source;
pub(crate) use self::ticket::Ticket;
use self::ticket::Tickets;
use crate::client::{Endpoint, LinkOptions};
use crate::config::L1Config;
use crate::error::Error;
use crate::memory::Server;

/// What an entry takes besides its bytes, roughly.
const OVERHEAD: usize = 200;

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
        let source = Source::open(endpoint, options, memory, tickets.clone()).await?;
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
