//! How a call comes by its value: from this process, from the server, from somebody else's load, or
//! by a load of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::backend::{Begin, Begun, Sighting};
use super::core::Core;
use super::flight::{Landing, Leader, Seat};
use super::judge::{Found, Reader, Verdict, early, judge, record};
use super::lead::Lead;
use super::local::Ticket;
use super::record::{Nonce, Record};
use super::spec::Spec;
use super::stats::{Counters, Event};
use crate::error::NodeError;

/// How often a call looks again when others keep changing the key under it.
const ROUNDS: u32 = 8;
/// How often a key is looked at that another process loads, where the server does not push.
const POLL: Duration = Duration::from_millis(20);
/// A token's end is waited for a little longer, so that it has surely passed on the server.
const MARGIN: Duration = Duration::from_millis(2);

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

    /// Asks to load anew, whatever is there. Where that is not granted, because somebody else is
    /// at it with what may be old by now, nothing stays there.
    pub(crate) async fn anew(&mut self) -> Lead {
        if let Some(lead) = self.replace().await {
            return lead;
        }
        // A failure has been taken note of: the deletion is repeated.
        let _ = self.core.delete(vec![self.full.clone()]).await;
        self.counters.count(Event::Bypass);
        Lead::alone(self.core, &self.full)
    }

    async fn replace(&mut self) -> Option<Lead> {
        if self.core.repeats.covers(&self.full) {
            return None;
        }
        let read = self.core.backend.read(&self.full, &self.tags);
        let sighting = match self.core.guarded(false, read).await {
            Ok(sighting) => sighting,
            Err(_) => {
                self.counters.count(Event::Error);
                return None;
            }
        };
        let read_at = Instant::now();
        let seen = match self.verdict(&sighting).await {
            Verdict::Fresh { held: true, .. }
            | Verdict::Stale { held: true, .. }
            | Verdict::Held { .. } => return None,
            Verdict::Fresh { found, grace, .. } | Verdict::Stale { found, grace, .. } => {
                return match self.beside(&found, read_at + grace).await {
                    Some(Obtained::Load(lead)) => Some(lead),
                    _ => None,
                };
            }
            Verdict::Missing { seen } => seen,
        };
        let flights = &self.core.flights;
        let leader = flights.lead(&self.full, self.reader.fingerprint)?;
        let mut lead = self.begin_as(leader);
        match lead.begin(self.begin(seen, false)).await {
            Ok(Begun::Granted { epochs, .. }) => {
                lead.granted(epochs);
                Some(lead)
            }
            Ok(Begun::Other(_)) | Err(_) => None,
        }
    }

    /// Nothing is there to be served. `None`: look again.
    async fn miss(&mut self, seen: Option<Nonce>) -> Option<Obtained> {
        if !std::mem::replace(&mut self.missed, true) {
            self.counters.count(Event::Miss);
        }
        let flights = &self.core.flights;
        let leader = match flights.enter(&self.full, self.reader.fingerprint) {
            Seat::Leader(leader) => leader,
            Seat::Follower(follower) => {
                return match follower.wait(self.deadline).await {
                    Landing::Shared(found) => {
                        self.counters.count(Event::Shared);
                        Some(Obtained::Found(found))
                    }
                    Landing::Retry => {
                        // Each time somebody else has tried: that is no reason to stop waiting.
                        self.rounds = 0;
                        None
                    }
                    Landing::TimedOut => Some(self.alone()),
                };
            }
            Seat::None => return Some(self.alone()),
        };
        Some(self.represent(leader, seen).await)
    }

    /// Acts for all callers of this process: loads, or waits for the process that does.
    async fn represent(&mut self, leader: Leader, mut seen: Option<Nonce>) -> Obtained {
        let mut lead = self.begin_as(leader);
        for _ in 0..ROUNDS {
            let mut upto = lead.joined();
            let sighting = match lead.begin(self.begin(seen, false)).await {
                Ok(Begun::Granted { epochs, .. }) => {
                    lead.granted(epochs);
                    return Obtained::Load(lead);
                }
                Ok(Begun::Other(sighting)) => sighting,
                Err(_) => {
                    self.counters.count(Event::Error);
                    self.counters.count(Event::Bypass);
                    return Obtained::Load(lead);
                }
            };
            let mut verdict = self.verdict(&sighting).await;
            while let Verdict::Held { .. } = verdict {
                let waiter = self.core.backend.wakes().register(&self.full);
                upto = lead.joined();
                let watch = self.core.backend.watch(&self.full);
                let sighting = match self.core.guarded(false, watch).await {
                    Ok(sighting) => sighting,
                    Err(_) => {
                        self.counters.count(Event::Error);
                        self.counters.count(Event::Bypass);
                        return Obtained::Load(lead);
                    }
                };
                verdict = self.verdict(&sighting).await;
                let Verdict::Held { left } = verdict else {
                    break;
                };
                let patience = if self.core.backend.pushes() {
                    left + MARGIN
                } else {
                    POLL
                };
                let until = (Instant::now() + patience).min(self.deadline);
                // Woken or not, it is looked at again.
                let _ = timeout_at(until, waiter.woken()).await;
                if Instant::now() >= self.deadline {
                    self.counters.count(Event::Bypass);
                    return Obtained::Load(lead);
                }
            }
            match verdict {
                Verdict::Fresh { found, .. } | Verdict::Stale { found, .. } => {
                    lead.share(found.clone(), upto);
                    self.counters.count(Event::Shared);
                    return Obtained::Found(found);
                }
                Verdict::Missing { seen: other } => seen = other,
                Verdict::Held { .. } => {}
            }
        }
        self.counters.count(Event::Bypass);
        Obtained::Load(lead)
    }

    /// The server cannot be asked, or not about this key. `None`: look again.
    async fn without_server(&mut self) -> Option<Obtained> {
        self.counters.count(Event::Bypass);
        let flights = &self.core.flights;
        match flights.enter(&self.full, self.reader.fingerprint) {
            Seat::Leader(leader) => Some(Obtained::Load(self.begin_as(leader))),
            Seat::Follower(follower) => match follower.wait(self.deadline).await {
                Landing::Shared(found) => {
                    self.counters.count(Event::Shared);
                    Some(Obtained::Found(found))
                }
                Landing::Retry => {
                    self.rounds = 0;
                    None
                }
                Landing::TimedOut => Some(self.alone()),
            },
            Seat::None => Some(self.alone()),
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

    /// Judges what was seen, tags included.
    async fn verdict(&self, sighting: &Sighting) -> Verdict {
        let record = record(sighting);
        let valid = match &record {
            Some(record) if record.is_whole() => self.is_valid(record, sighting).await,
            _ => Ok(false),
        };
        // Tags that cannot be asked for make an entry unusable, and no failure of the call.
        let valid = valid.unwrap_or(false);
        judge(record.as_ref(), sighting.pttl, valid, self.reader)
    }

    async fn is_valid(&self, record: &Record, sighting: &Sighting) -> Result<bool, NodeError> {
        let epochs = self.spec.tags().iter().zip(&sighting.epochs);
        is_valid(self.core, record, self.spec.tags(), epochs).await
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

/// Whether none of an entry's tags has been evicted since it was loaded, and whether it carries all
/// tags in `named`: else an eviction of those would pass it by.
pub(crate) async fn is_valid<'a>(
    core: &Core,
    record: &Record,
    named: &[Box<str>],
    known: impl Iterator<Item = (&'a Box<str>, &'a Option<Nonce>)>,
) -> Result<bool, NodeError> {
    let mut unknown = Vec::new();
    let known: Vec<_> = known.collect();
    let mut carried = 0;
    for (tag, epoch) in record.tags() {
        match known.iter().find(|(name, _)| ***name == *tag) {
            Some((_, now)) if **now == Some(epoch) => carried += 1,
            Some(_) => return Ok(false),
            None => unknown.push((core.tag(tag), epoch)),
        }
        if core.repeats.covers(&core.tag(tag)) {
            return Ok(false);
        }
    }
    if carried < named.len() {
        return Ok(false);
    }
    if unknown.is_empty() {
        return Ok(true);
    }
    let keys: Vec<_> = unknown.iter().map(|(key, _)| key.clone()).collect();
    let now = core.guarded(false, core.backend.epochs(&keys)).await?;
    let mut pairs = unknown.iter().zip(now);
    Ok(pairs.all(|((_, then), now)| now == Some(*then)))
}
