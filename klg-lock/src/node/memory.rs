//! A node in memory: the protocol's operations on the keys of a memory server.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Claim, Node, Occupied, Op, Reply, Request, Vote, WakeSink};
use crate::error::{NodeError, NodeErrorKind};
use crate::memory::{Keyspace, Link, Micros, News, PushSink, Server, Value};

/// How long a fence key outlives its counter: no clock is expected to step back further.
const FENCE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Redis counts in doubles inside scripts; beyond this they skip numbers.
const FENCE_LIMIT: u64 = 1 << 53;

/// One engine's connection to a memory server.
#[derive(Debug)]
pub(crate) struct MemoryNode {
    link: Link,
    closed: AtomicBool,
}

impl MemoryNode {
    /// Opens a node: the same name is the same server for the whole process, no name a private one.
    pub(crate) fn open(name: Option<&str>) -> Arc<dyn Node> {
        Self::on(Server::open(name))
    }

    /// A node on a server that is already there.
    pub(crate) fn on(server: Arc<Server>) -> Arc<dyn Node> {
        Arc::new(Self {
            link: Link::new(server),
            closed: AtomicBool::new(false),
        })
    }
}

impl Node for MemoryNode {
    fn label(&self) -> &str {
        self.link.server().label()
    }

    fn submit(&self, request: Request) -> Reply {
        if self.closed.load(Ordering::Acquire) {
            return refuse("the node has been closed");
        }
        let keep_trying = match request.op {
            Op::Release { keep_trying } | Op::Leave { keep_trying } => Some(keep_trying),
            _ if request.claim.is_released() => return refuse("the claim has been released"),
            _ => None,
        };
        let deleted = AtomicBool::new(false);
        self.link.send(keep_trying, move |keyspace| {
            let vote = run(keyspace, &request)?;
            if keep_trying.is_none() {
                return Ok(vote);
            }
            // A release that is repeated because its answer got lost has not found the keys gone:
            // it has deleted them itself.
            let granted = matches!(vote, Vote::Granted { .. });
            Ok(match deleted.fetch_or(granted, Ordering::AcqRel) {
                true => Vote::Granted { end: 0 },
                false => vote,
            })
        })
    }

    fn pushes(&self) -> bool {
        self.link.server().pushes()
    }

    fn single_slot(&self) -> bool {
        false
    }

    fn attach(&self, index: usize, sink: Weak<dyn WakeSink>) {
        self.link.listen(Arc::new(Engine { index, sink }));
    }

    fn close(&self, bound: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.closed.store(true, Ordering::Release);
        self.link.drain(bound)
    }
}

/// Fails a request that is not sent at all.
fn refuse(message: &str) -> Reply {
    let (answer, reply) = oneshot::channel();
    let _ = answer.send(Err(NodeError::new(NodeErrorKind::Closed, message)));
    reply
}

/// Passes the connection's pushes on to the engine's waiters.
struct Engine {
    index: usize,
    sink: Weak<dyn WakeSink>,
}

impl PushSink for Engine {
    fn push(&self, news: News) {
        if let (Some(sink), News::Changed(key)) = (self.sink.upgrade(), news) {
            sink.wake(self.index, key.as_deref());
        }
    }
}

/// What a server does with a request: what the protocol says, unless it is told to break a rule.
fn run(ks: &mut Keyspace, request: &Request) -> Result<Vote, NodeError> {
    #[cfg(any(test, feature = "test-kit"))]
    if let Some(rule) = ks.broken {
        return broken::break_rule(ks, request, rule);
    }
    execute(ks, request)
}

/// One script call: all keys of the claim or none, with nothing in between.
fn execute(ks: &mut Keyspace, request: &Request) -> Result<Vote, NodeError> {
    let claim = &*request.claim;
    let now = ks.clock.now();
    ks.count(name(request.op));
    match request.op {
        Op::Release { .. } => return Ok(release(ks, claim, now)),
        Op::Leave { .. } => return Ok(queue::leave(ks, claim)),
        Op::Call => return Ok(queue::call_first(ks, claim)),
        Op::Stand { life } => return Ok(queue::stand(ks, claim, now, life)),
        Op::Queue {
            ttl,
            reserve,
            life,
            watch,
            ..
        } => match queue::take_turn(ks, claim, now, life, watch) {
            Some(ahead) => return Ok(ahead),
            None => {
                let end = reserve_numbers(ks, claim, now, reserve.max(1))?;
                hold(ks, claim, now, ttl);
                queue::served(ks, claim, now);
                return Ok(Vote::Granted { end });
            }
        },
        Op::Inspect => return Ok(inspect(ks, claim, now)),
        _ => {}
    }
    let may_be_absent = matches!(request.op, Op::Acquire { .. } | Op::Heal { .. });
    let standing = look(ks, claim, now);
    let refusal = match standing {
        Standing::Other(occupied) => Some(Vote::Held(occupied)),
        Standing::Absent if !may_be_absent => Some(Vote::Missing),
        Standing::Absent | Standing::Own => None,
    };
    if let Some(vote) = refusal {
        for key in claim.keys.keys() {
            ks.track(&key.lock);
        }
        return Ok(vote);
    }
    // The fence first: where it fails, nothing has been written.
    let (end, ttl) = match request.op {
        Op::Acquire { ttl, reserve } => {
            (reserve_numbers(ks, claim, now, reserve.max(1))?, Some(ttl))
        }
        Op::Extend { ttl, reserve: 0 } => (raise(ks, claim, now, None)?, Some(ttl)),
        Op::Extend { ttl, reserve } => (reserve_numbers(ks, claim, now, reserve)?, Some(ttl)),
        Op::Heal { ttl, fence } => (raise(ks, claim, now, Some(fence))?, Some(ttl)),
        Op::Raise { fence } => (raise(ks, claim, now, Some(fence))?, None),
        Op::Release { .. }
        | Op::Inspect
        | Op::Queue { .. }
        | Op::Stand { .. }
        | Op::Leave { .. }
        | Op::Call => (0, None),
    };
    if let Some(ttl) = ttl {
        hold(ks, claim, now, ttl);
    }
    Ok(Vote::Granted { end })
}

/// What an operation is called where commands are counted.
fn name(op: Op) -> &'static str {
    match op {
        Op::Acquire { .. } => "acquire",
        Op::Extend { .. } => "extend",
        Op::Heal { .. } => "heal",
        Op::Raise { .. } => "raise",
        Op::Release { .. } => "release",
        Op::Inspect => "inspect",
        Op::Queue { .. } => "queue",
        Op::Stand { .. } => "stand",
        Op::Leave { .. } => "leave",
        Op::Call => "call",
    }
}

/// How the keys of a claim stand towards its value.
enum Standing {
    /// All carry it.
    Own,
    /// At least one is absent, and none is somebody else's.
    Absent,
    Other(Occupied),
}

fn look(ks: &mut Keyspace, claim: &Claim, now: Micros) -> Standing {
    let mut standing = Standing::Own;
    for (index, key) in claim.keys.keys().iter().enumerate() {
        match ks.get(&key.lock, now) {
            None => standing = Standing::Absent,
            Some(entry) if carries(&entry.value, claim) => {}
            Some(entry) => {
                return Standing::Other(Occupied {
                    key: index,
                    value: entry.value.to_text(),
                    remaining: entry
                        .expires
                        .map(|expires| Duration::from_micros(expires.saturating_sub(now))),
                    ahead: None,
                });
            }
        }
    }
    standing
}

fn carries(value: &Value, claim: &Claim) -> bool {
    matches!(value, Value::Text(text) if **text == *claim.value.as_bytes())
}

/// Puts the value under all keys, and never shortens what is left of their life.
fn hold(ks: &mut Keyspace, claim: &Claim, now: Micros, ttl: Duration) {
    let asked = Keyspace::deadline(now, ttl);
    for key in claim.keys.keys() {
        match ks.get(&key.lock, now).map(|entry| entry.expires) {
            // What changes nothing is no news for those who wait.
            Some(expires) => {
                if expires.is_some_and(|expires| expires < asked) {
                    ks.expire(&key.lock, Some(asked));
                }
            }
            None => {
                let value = Value::Text(claim.value.as_bytes().into());
                ks.set(key.lock.clone(), value, Some(asked));
            }
        }
    }
}

fn release(ks: &mut Keyspace, claim: &Claim, now: Micros) -> Vote {
    let vote = match look(ks, claim, now) {
        Standing::Own => Vote::Granted { end: 0 },
        Standing::Absent => Vote::Missing,
        Standing::Other(occupied) => Vote::Held(occupied),
    };
    for key in claim.keys.keys() {
        let own = ks.get(&key.lock, now);
        if own.is_some_and(|entry| carries(&entry.value, claim)) {
            ks.remove(&key.lock);
        }
    }
    vote
}

fn inspect(ks: &mut Keyspace, claim: &Claim, now: Micros) -> Vote {
    let Some(key) = claim.keys.keys().first() else {
        return Vote::Missing;
    };
    let Some(entry) = ks.get(&key.lock, now) else {
        return Vote::Missing;
    };
    let occupied = Occupied {
        key: 0,
        value: entry.value.to_text(),
        remaining: entry
            .expires
            .map(|expires| Duration::from_micros(expires.saturating_sub(now))),
        ahead: None,
    };
    ks.track(&key.lock);
    Vote::Held(occupied)
}

/// Reserves `count` fencing numbers on all keys together; returns the last of them.
fn reserve_numbers(
    ks: &mut Keyspace,
    claim: &Claim,
    now: Micros,
    count: u64,
) -> Result<u64, NodeError> {
    let mut next = 0;
    for key in claim.keys.keys() {
        next = next.max(counter(ks, &key.fence, now)?.map_or(now, |counter| counter + 1));
    }
    let end = within_limit(next.saturating_add(count - 1))?;
    for key in claim.keys.keys() {
        store_counter(ks, &key.fence, end, now);
    }
    Ok(end)
}

/// Raises all counters to at least `fence` and prolongs them; returns the largest. `None` changes
/// no number, and leaves an absent counter absent: it restarts at the node's time.
fn raise(
    ks: &mut Keyspace,
    claim: &Claim,
    now: Micros,
    fence: Option<u64>,
) -> Result<u64, NodeError> {
    let mut counters = Vec::with_capacity(claim.keys.keys().len());
    for key in claim.keys.keys() {
        let raised = counter(ks, &key.fence, now)?.max(fence);
        counters.push(raised.map(within_limit).transpose()?);
    }
    for (key, counter) in claim.keys.keys().iter().zip(&counters) {
        if let Some(counter) = *counter {
            store_counter(ks, &key.fence, counter, now);
        }
    }
    Ok(counters.into_iter().flatten().max().unwrap_or_default())
}

fn counter(ks: &mut Keyspace, fence: &str, now: Micros) -> Result<Option<u64>, NodeError> {
    let Some(entry) = ks.get(fence, now) else {
        return Ok(None);
    };
    match entry.value.to_number().map(u64::try_from) {
        Some(Ok(counter)) => within_limit(counter).map(Some),
        _ => Err(NodeError::new(
            NodeErrorKind::Protocol,
            format!("the fencing counter {fence:?} is not a number; delete that key"),
        )),
    }
}

fn within_limit(counter: u64) -> Result<u64, NodeError> {
    if counter < FENCE_LIMIT {
        return Ok(counter);
    }
    Err(NodeError::new(
        NodeErrorKind::Protocol,
        format!(
            "a fencing counter has reached {counter}, beyond 2^53; set the node's clock right and delete its fence keys"
        ),
    ))
}

/// The counter is forgotten only once the node's time has passed it by a day.
fn store_counter(ks: &mut Keyspace, fence: &str, counter: u64, now: Micros) {
    let expires = Keyspace::deadline(now.max(counter), FENCE_LIFE);
    let value = Value::Int(i64::try_from(counter).unwrap_or(i64::MAX));
    ks.set_borrowed(fence, value, Some(expires));
}

#[cfg(any(test, feature = "test-kit"))]
mod broken;
mod queue;
#[cfg(test)]
mod tests;
