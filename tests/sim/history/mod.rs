//! What happened in a world, held against the protocol's invariants as it happens.

mod rules;
mod tally;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use klg_lock::{LockError, LockHandle};
use tokio::time::Instant;

pub use self::tally::Tally;
use super::plan::{Faults, Plan, ms};

/// One request, from the question to the end of its lock.
#[derive(Debug)]
struct Request {
    engine: usize,
    resources: Vec<usize>,
    asked: Instant,
    /// How many locks had been given out when it asked; instants repeat under paused time.
    given_before: usize,
    /// When it asked for a time that never ends here: it has to get the lock.
    steadfast: bool,
    held: Option<Held>,
    over: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    handle: LockHandle,
    /// Its body is to be dropped when the lock is lost.
    guarded: bool,
    invalid_since: Option<Instant>,
}

/// Shared by all tasks of a world.
#[derive(Clone, Debug)]
pub struct History(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    faults: Faults,
    nodes: usize,
    longest_ttl: Duration,
    deadline: Duration,
    longest_idle: Duration,
    requests: Vec<Request>,
    /// How many locks have been given out.
    given: usize,
    /// Requests that are not over, by index.
    open: Vec<usize>,
    /// For each resource: all tokens, the largest, and when each was given out.
    tokens: HashMap<usize, Tokens>,
    /// For each server, when something was wrong with it.
    wrong: Vec<(usize, Instant, Option<Instant>)>,
    /// A server has forgotten counters that its clock had not passed yet.
    counters_lost: bool,
    idle_since: Option<Instant>,
    /// From when on nothing may be idle.
    calm: Option<Instant>,
    tally: Tally,
    violations: Vec<String>,
}

#[derive(Debug, Default)]
struct Tokens {
    all: HashSet<u64>,
    largest: u64,
    /// The how many-th lock of the world, and the largest token then.
    given: Vec<(usize, u64)>,
}

/// While somebody waits and everything works, somebody holds something again within this and
/// [`IDLE_TRIPS`]. What a lost wake-up costs is far more: the rest of a TTL.
const LONGEST_IDLE: Duration = ms(250);

/// Contenders that block each other are parted by random pauses of a few round trips.
const IDLE_TRIPS: u32 = 30;

/// Locks that ended by the clock are noticed within this: the keeper looks every 250 ms.
const NOTICED: Duration = ms(300);

impl History {
    pub fn new(plan: &Plan) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            faults: plan.faults,
            nodes: plan.nodes,
            longest_ttl: plan.longest_ttl(),
            deadline: plan.deadline,
            longest_idle: LONGEST_IDLE + plan.delay * 2 * IDLE_TRIPS,
            requests: Vec::new(),
            given: 0,
            open: Vec::new(),
            tokens: HashMap::new(),
            wrong: Vec::new(),
            counters_lost: false,
            idle_since: None,
            calm: (plan.faults == Faults::None).then(Instant::now),
            tally: Tally::default(),
            violations: Vec::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn asked(&self, engine: usize, resources: &[usize], steadfast: bool) -> usize {
        let mut inner = self.inner();
        inner.tally.asked += 1;
        let id = inner.requests.len();
        let given_before = inner.given;
        inner.requests.push(Request {
            engine,
            resources: resources.to_vec(),
            asked: Instant::now(),
            given_before,
            steadfast,
            held: None,
            over: None,
        });
        inner.open.push(id);
        id
    }

    /// Called in the very poll in which the engine gave the lock out.
    pub fn locked(&self, id: usize, handle: &LockHandle, guarded: bool) {
        let mut inner = self.inner();
        inner.tally.locked += 1;
        inner.check_exclusion(id);
        inner.check_token(id, handle.fencing_token().into());
        inner.requests[id].held = Some(Held {
            handle: handle.clone(),
            guarded,
            invalid_since: None,
        });
    }

    /// The request ended as its caller wished, or was cancelled.
    pub fn over(&self, id: usize, cancelled: bool) {
        let mut inner = self.inner();
        inner.tally.cancelled += u64::from(cancelled);
        inner.close(id);
    }

    /// The request ended with an error of the library's.
    pub fn failed(&self, id: usize, error: &LockError) {
        let mut inner = self.inner();
        let request = &inner.requests[id];
        let (steadfast, asked) = (request.steadfast, request.asked);
        match error {
            LockError::Contended { .. } => {
                inner.tally.contended += 1;
                if !inner.somebody_else(id) {
                    inner.report(format!(
                        "request {id} was told that nobody's lock is in its way: {error}"
                    ));
                }
            }
            LockError::Timeout { .. } => inner.tally.timed_out += 1,
            LockError::Unavailable { .. } => {
                inner.tally.unavailable += 1;
                let failing = inner.failing(asked - inner.deadline);
                let nodes = inner.nodes;
                if failing <= (nodes - 1) / 2 {
                    inner.report(format!(
                        "request {id} was told of an outage while {failing} of {nodes} nodes failed: {error}"
                    ));
                }
            }
            LockError::Lost { .. } => inner.tally.lost += 1,
            _ => inner.report(format!("request {id} failed unexpectedly: {error}")),
        }
        if steadfast && !matches!(error, LockError::Lost { .. }) {
            inner.report(format!(
                "request {id} would have waited, and did not get its lock: {error}"
            ));
        }
        inner.close(id);
    }

    /// The body was dropped, or has run to its end; its lock is about to be released.
    pub fn body_ended(&self, id: usize) {
        if let Some(held) = &mut self.inner().requests[id].held {
            held.guarded = false;
        }
    }

    pub fn report(&self, violation: String) {
        self.inner().report(violation);
    }

    pub fn fault_begins(&self, server: usize) {
        let mut inner = self.inner();
        inner.tally.faults += 1;
        inner.wrong.push((server, Instant::now(), None));
    }

    pub fn fault_ends(&self, server: usize) {
        let now = Instant::now();
        for (which, _, end) in &mut self.inner().wrong {
            if *which == server && end.is_none() {
                *end = Some(now);
            }
        }
    }

    /// A server goes back to older counters, which only the restart guard makes up for.
    pub fn rolls_back(&self) {
        self.inner().counters_lost = true;
    }

    /// A server loses its memory while its clock shows `time`.
    pub fn forgets(&self, time: Duration) {
        let mut inner = self.inner();
        let time = u64::try_from(time.as_micros()).unwrap();
        let largest = inner.tokens.values().map(|tokens| tokens.largest).max();
        // All tokens in use are below the counters by at most the hand-over bound.
        inner.counters_lost |= largest.is_some_and(|largest| time <= largest + 20_000);
    }

    /// From `at` on everything works again, and what was left behind has expired.
    pub fn calm_from(&self, at: Instant) {
        self.inner().calm = Some(at);
    }

    /// Looks at all that is held; called often.
    pub fn watch(&self) {
        let mut inner = self.inner();
        let now = Instant::now();
        let mut reports = Vec::new();
        let mut anybody = false;
        for id in inner.open.clone() {
            let Some(held) = &mut inner.requests[id].held else {
                continue;
            };
            if held.handle.is_valid() {
                anybody = true;
                if held.invalid_since.is_some() {
                    reports.push(format!("request {id}'s lock ended and is valid again"));
                }
                continue;
            }
            let since = *held.invalid_since.get_or_insert(now);
            if held.guarded && now - since > NOTICED {
                reports.push(format!(
                    "request {id}'s body still runs {:?} after its lock ended",
                    now - since
                ));
            }
        }
        let waiting = inner
            .open
            .iter()
            .any(|id| inner.requests[*id].held.is_none());
        let calm = inner.calm.is_some_and(|calm| now >= calm);
        if anybody || !waiting || !calm {
            inner.idle_since = None;
        } else {
            let idle = now - *inner.idle_since.get_or_insert(now);
            if idle > inner.longest_idle && inner.tally.longest_idle <= inner.longest_idle {
                let open = inner.describe_open();
                reports.push(format!("nobody holds anything while these wait: {open}"));
            }
            inner.tally.longest_idle = inner.tally.longest_idle.max(idle);
        }
        reports.into_iter().for_each(|text| inner.report(text));
    }

    pub fn describe_open(&self) -> String {
        self.inner().describe_open()
    }

    pub fn finish(&self) -> (Tally, Vec<String>) {
        let inner = self.inner();
        (inner.tally, inner.violations.clone())
    }
}

impl Inner {
    fn close(&mut self, id: usize) {
        self.requests[id].over = Some(Instant::now());
        // The handle is let go of, as its user's would be.
        self.requests[id].held = None;
        self.open.retain(|open| *open != id);
    }

    fn report(&mut self, violation: String) {
        if self.violations.len() < 20 {
            self.violations.push(violation);
        }
    }

    fn describe_open(&self) -> String {
        let now = Instant::now();
        let open: Vec<String> = self
            .open
            .iter()
            .map(|id| {
                let request = &self.requests[*id];
                let held = request.held.as_ref().map(|held| held.handle.remaining());
                format!(
                    "{id} (engine {}, {:?}, for {:?}, held: {held:?})",
                    request.engine,
                    request.resources,
                    now - request.asked
                )
            })
            .collect();
        open.join("; ")
    }
}
