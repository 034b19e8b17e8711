//! How a call comes by its value: from this process, from the server, from somebody else's load, or
//! by a load of its own.

mod anew;
mod miss;
mod verdict;

use std::sync::Arc;

use tokio::time::Instant;

pub(crate) use self::verdict::is_valid;
use super::backend::{Begin, Begun};
use super::core::Core;
use super::flight::Leader;
use super::judge::{Found, Reader, Verdict, early};
use super::lead::Lead;
use super::local::Ticket;
use super::record::Nonce;
use super::spec::Spec;
use super::stats::{Counters, Event};

/// How often a call looks again when others keep changing the key under it.
const ROUNDS: u32 = 8;

/// One call, on its way to a value.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) spec: &'a Spec,
    pub(crate) key: &'a str,
    pub(crate) full: Box<str>,
    /// Full keys of the tags.
    pub(crate) tags: Arc<[Box<str>]>,
    /// Type and codec.
    pub(crate) kind: (&'static str, &'static str),
    pub(crate) reader: Reader,
    /// When it began, until the first look: the clock is not free.
    began: Option<Instant>,
    pub(crate) deadline: Instant,
    rounds: u32,
    missed: bool,
}

/// Where a call has come to.
#[derive(Debug)]
pub(crate) enum Obtained {
    Found(Found),
    /// The value is stale, or about to be; this caller is to load it anew.
    Load(Lead),
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        core: &'a Arc<Core>,
        counters: &'a Arc<Counters>,
        spec: &'a Spec,
        key: &'a str,
        kind: (&'static str, &'static str),
    ) -> Self {
        let began = Instant::now();
        Self {
            core,
            counters,
            spec,
            key,
            full: core.full(key),
            tags: match spec.tags() {
                // The one empty list that all share.
                [] => Arc::default(),
                tags => tags.iter().map(|tag| core.tag(tag)).collect(),
            },
            kind,
            reader: Reader {
                fingerprint: super::codec::fingerprint(kind),
                rejected: None,
            },
            began: Some(began),
            deadline: began + spec.load_timeout,
            rounds: 0,
            missed: false,
        }
    }

    /// The value turned out not to decode: it is to be replaced.
    pub(crate) fn reject(&mut self, found: &Found) {
        self.counters.count(Event::Error);
        tracing::warn!(key = %self.full, "a cached value does not decode, it is loaded anew");
        self.reader.rejected = Some(found.stamp);
        if let Some(local) = &self.core.local {
            local.void(&self.full);
        }
    }

    // What is seldom gone through is boxed: a hit does not pay for the size of a miss.

    /// Looks for the value until there is one, or this caller is to load it.
    pub(crate) async fn obtain(&mut self) -> Obtained {
        loop {
            self.rounds += 1;
            // What is left of a value is reckoned from before it was read.
            let asked = self.began.take().unwrap_or_else(Instant::now);
            if self.rounds > ROUNDS || asked >= self.deadline {
                return self.alone();
            }
            // The server is known to hold something out of date.
            if self.core.repeats.covers(&self.full) {
                return match Box::pin(self.without_server()).await {
                    Some(obtained) => obtained,
                    None => continue,
                };
            }
            let ticket = self.ticket();
            let tickets = self.tag_tickets();
            let read = self.core.backend.read(&self.full, &self.tags);
            let sighting = match self.core.guarded(false, read).await {
                Ok(sighting) => sighting,
                Err(_) => {
                    self.counters.count(Event::Error);
                    match Box::pin(self.without_server()).await {
                        Some(obtained) => return obtained,
                        None => continue,
                    }
                }
            };
            match self.verdict(&sighting).await {
                Verdict::Fresh {
                    found,
                    left,
                    grace,
                    load,
                    held,
                } => {
                    let ahead = early(load, self.spec.beta, &mut rand::rng());
                    if ahead >= left && !held {
                        if let Some(obtained) = Box::pin(self.beside(&found, asked + grace)).await {
                            return obtained;
                        }
                    } else {
                        let keep = left.saturating_sub(ahead);
                        self.keep(&found, asked + keep, ticket, tickets);
                    }
                    self.counters.count(Event::L2Hit);
                    return Obtained::Found(found);
                }
                Verdict::Stale { found, grace, held } => {
                    if !held
                        && let Some(obtained) = Box::pin(self.beside(&found, asked + grace)).await
                    {
                        return obtained;
                    }
                    self.counters.count(Event::Stale);
                    return Obtained::Found(found);
                }
                Verdict::Held { .. } => {
                    if let Some(obtained) = Box::pin(self.miss(None)).await {
                        return obtained;
                    }
                }
                Verdict::Missing { seen } => {
                    if let Some(obtained) = Box::pin(self.miss(seen)).await {
                        return obtained;
                    }
                }
            }
        }
    }

    /// A value is there; asks to load the next one beside it. `None`: serve what is there.
    async fn beside(&mut self, found: &Found, until: Instant) -> Option<Obtained> {
        let flights = &self.core.flights;
        let leader = flights.lead(&self.full, self.reader.fingerprint)?;
        let mut lead = self.begin_as(leader);
        match lead.begin(self.begin(Some(found.stamp), true)).await {
            Ok(Begun::Granted { beside, epochs }) => {
                lead.granted(epochs);
                if beside {
                    lead.fallback(found.clone(), until);
                }
                Some(Obtained::Load(lead))
            }
            // Somebody else was first, or the value has just been replaced: what was read was good
            // when it was read.
            Ok(Begun::Other(_)) => None,
            Err(_) => {
                self.counters.count(Event::Error);
                None
            }
        }
    }

    /// This caller loads for itself, and stores nothing.
    fn alone(&self) -> Obtained {
        self.counters.count(Event::Bypass);
        Obtained::Load(Lead::alone(self.core, &self.full))
    }

    fn begin_as(&self, leader: Leader) -> Lead {
        Lead::new(self.core, &self.full, leader)
    }

    fn begin(&self, seen: Option<Nonce>, beside: bool) -> Begin {
        Begin {
            key: self.full.clone(),
            token: Nonce::fresh(),
            lease: self.core.lease,
            seen,
            beside,
            tags: self.tags.clone(),
            lifetime: self.spec.lifetime(),
        }
    }

    fn ticket(&self) -> Option<Ticket> {
        if !self.spec.l1 {
            return None;
        }
        self.core.local.as_ref()?.ticket(self.key)
    }

    /// One for each tag of the request; `None`: the value cannot be kept.
    fn tag_tickets(&self) -> Option<Box<[Ticket]>> {
        let local = self.core.local.as_ref()?;
        self.tags.iter().map(|tag| local.tag_ticket(tag)).collect()
    }

    fn keep(
        &self,
        found: &Found,
        until: Instant,
        ticket: Option<Ticket>,
        tags: Option<Box<[Ticket]>>,
    ) {
        let (Some(local), Some(ticket), Some(tags)) = (&self.core.local, ticket, tags) else {
            return;
        };
        let ttl = self.spec.l1_ttl.unwrap_or(local.ttl());
        let until = until.min(Instant::now() + ttl);
        local.keep(
            self.key,
            found.value.clone(),
            self.kind,
            until,
            ticket,
            tags,
        );
    }
}
