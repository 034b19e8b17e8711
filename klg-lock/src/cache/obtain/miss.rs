//! Nothing is there to be served: a caller loads, or waits for whoever does.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Call, Obtained, ROUNDS};
use crate::cache::backend::Begun;
use crate::cache::flight::{Landing, Leader, Seat};
use crate::cache::judge::Verdict;
use crate::cache::record::Nonce;
use crate::cache::stats::Event;

/// How often a key is looked at that another process loads, where the server does not push.
const POLL: Duration = Duration::from_millis(20);
/// A token's end is waited for a little longer, so that it has surely passed on the server.
const MARGIN: Duration = Duration::from_millis(2);

impl Call<'_> {
    /// Nothing is there to be served. `None`: look again.
    pub(super) async fn miss(&mut self, seen: Option<Nonce>) -> Option<Obtained> {
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
    pub(super) async fn without_server(&mut self) -> Option<Obtained> {
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
}
