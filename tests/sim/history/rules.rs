//! The invariants of the protocol, and what excuses an engine.

use std::collections::HashSet;

use tokio::time::Instant;

use super::Inner;
use crate::sim::plan::{Faults, ms};

impl Inner {
    fn overlap(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.requests[a].resources, &self.requests[b].resources);
        a.iter().any(|resource| b.contains(resource))
    }

    /// Invariant 1: validity never comes back, so a look at each beginning sees every overlap.
    pub(super) fn check_exclusion(&mut self, id: usize) {
        if self.faults == Faults::Memory {
            return;
        }
        let others: Vec<usize> = self
            .open
            .iter()
            .copied()
            .filter(|other| *other != id && self.overlap(id, *other))
            .filter(|other| {
                let held = &self.requests[*other].held;
                held.as_ref().is_some_and(|held| held.handle.is_valid())
            })
            .collect();
        for other in others {
            self.report(format!(
                "requests {id} (engine {}) and {other} (engine {}) hold the same at once, the other for another {:?}",
                self.requests[id].engine,
                self.requests[other].engine,
                self.requests[other].held.as_ref().map(|held| held.handle.remaining()),
            ));
        }
    }

    /// Invariant 2.
    pub(super) fn check_token(&mut self, id: usize, token: u64) {
        let given_before = self.requests[id].given_before;
        self.given += 1;
        for resource in self.requests[id].resources.clone() {
            let tokens = self.tokens.entry(resource).or_default();
            let fresh = tokens.all.insert(token);
            let before = tokens.largest;
            let before_asking = tokens
                .given
                .iter()
                .rev()
                .find(|(nth, _)| *nth <= given_before);
            let before_asking = before_asking.map_or(0, |(_, largest)| *largest);
            tokens.largest = before.max(token);
            tokens.given.push((self.given, tokens.largest));
            if self.counters_lost {
                continue;
            }
            if !fresh {
                self.report(format!(
                    "token {token} of resource {resource} was given twice"
                ));
            }
            if token <= before_asking {
                self.report(format!(
                    "request {id} got token {token} of resource {resource}, and {before_asking} had been given before it asked"
                ));
            } else if token <= before && self.faults != Faults::Memory {
                self.report(format!(
                    "request {id} got token {token} of resource {resource} after {before}"
                ));
            }
        }
    }

    /// Whether any other request, or what it may have left behind, can have been in the way.
    pub(super) fn somebody_else(&self, id: usize) -> bool {
        let request = &self.requests[id];
        let left = match self.faults {
            Faults::None => ms(100),
            Faults::Network | Faults::Memory => self.longest_ttl,
        };
        (0..self.requests.len()).any(|other| {
            let over = self.requests[other].over;
            other != id
                && self.overlap(id, other)
                && over.is_none_or(|over| over + left >= request.asked)
        })
    }

    /// How many servers have had something wrong since then.
    pub(super) fn failing(&self, since: Instant) -> usize {
        let failing: HashSet<usize> = self
            .wrong
            .iter()
            .filter(|(_, _, end)| end.is_none_or(|end| end >= since))
            .map(|(server, _, _)| *server)
            .collect();
        failing.len()
    }
}
