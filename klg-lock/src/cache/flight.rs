//! Single flight: the callers of one key in one process share one load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::judge::Found;
use crate::sync::lock;

/// The loads under way in one cache, by full key.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flights: Mutex<HashMap<Box<str>, Arc<Flight>>>,
}

#[derive(Debug)]
struct Flight {
    /// Of the value's type and codec: others could not read the result.
    fingerprint: u64,
    joined: Mutex<u64>,
    outcome: watch::Sender<Option<Outcome>>,
}

#[derive(Clone, Debug)]
enum Outcome {
    /// For those who joined before it was confirmed that nothing had changed since.
    Shared { found: Found, upto: u64 },
    /// Nothing to share; each may try for itself.
    Retry,
}

/// What a caller is in a flight.
#[derive(Debug)]
pub(crate) enum Seat {
    Leader(Leader),
    Follower(Follower),
    /// Another type is being loaded under the same key; there is nothing to share.
    None,
}

/// Loads for the others. Dropped without a result, it lets the next one try.
#[derive(Debug)]
pub(crate) struct Leader {
    flights: Arc<Flights>,
    key: Box<str>,
    flight: Arc<Flight>,
}

/// Waits for the leader.
#[derive(Debug)]
pub(crate) struct Follower {
    number: u64,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// How a wait for a leader ended.
#[derive(Debug)]
pub(crate) enum Landing {
    Shared(Found),
    Retry,
    TimedOut,
}

impl Flights {
    /// Leads a flight, or joins the one there is.
    pub(crate) fn enter(self: &Arc<Self>, key: &str, fingerprint: u64) -> Seat {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(key) {
            if flight.fingerprint != fingerprint {
                return Seat::None;
            }
            let mut joined = lock(&flight.joined);
            let number = *joined;
            *joined += 1;
            return Seat::Follower(Follower {
                number,
                outcome: flight.outcome.subscribe(),
            });
        }
        let flight = Arc::new(Flight {
            fingerprint,
            joined: Mutex::new(0),
            outcome: watch::Sender::new(None),
        });
        flights.insert(key.into(), flight.clone());
        Seat::Leader(Leader {
            flights: self.clone(),
            key: key.into(),
            flight,
        })
    }

    /// Leads a flight, unless there is one.
    pub(crate) fn lead(self: &Arc<Self>, key: &str, fingerprint: u64) -> Option<Leader> {
        if lock(&self.flights).contains_key(key) {
            return None;
        }
        match self.enter(key, fingerprint) {
            Seat::Leader(leader) => Some(leader),
            Seat::Follower(_) | Seat::None => None,
        }
    }

    /// Whoever comes from now on does not join the present flight: the key was changed.
    pub(crate) fn detach(&self, key: &str) {
        lock(&self.flights).remove(key);
    }

    /// The same for all keys.
    pub(crate) fn detach_all(&self) {
        lock(&self.flights).clear();
    }

    /// How many loads are under way.
    pub(crate) fn count(&self) -> usize {
        lock(&self.flights).len()
    }

    fn land(&self, key: &str, flight: &Arc<Flight>) {
        let mut flights = lock(&self.flights);
        if flights
            .get(key)
            .is_some_and(|other| Arc::ptr_eq(other, flight))
        {
            flights.remove(key);
        }
    }
}

impl Leader {
    /// How many have joined so far.
    pub(crate) fn joined(&self) -> u64 {
        *lock(&self.flight.joined)
    }

    /// Gives the result to the first `upto` that joined; the others try again.
    pub(crate) fn share(self, found: Found, upto: u64) {
        self.flights.land(&self.key, &self.flight);
        let outcome = Outcome::Shared { found, upto };
        self.flight.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.flights.land(&self.key, &self.flight);
        self.flight.outcome.send_if_modified(|outcome| {
            let open = outcome.is_none();
            outcome.get_or_insert(Outcome::Retry);
            open
        });
    }
}

impl Follower {
    /// Waits for the leader, until `deadline` at the latest.
    pub(crate) async fn wait(mut self, deadline: Instant) -> Landing {
        let outcome = self.outcome.wait_for(Option::is_some);
        match timeout_at(deadline, outcome).await {
            Ok(Ok(outcome)) => match &*outcome {
                Some(Outcome::Shared { found, upto }) if self.number < *upto => {
                    Landing::Shared(found.clone())
                }
                _ => Landing::Retry,
            },
            Ok(Err(_)) => Landing::Retry,
            Err(_) => Landing::TimedOut,
        }
    }
}
