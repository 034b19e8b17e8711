//! The Lua scripts, and how a request becomes a command.

use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::Lazy;

use crate::client::resp;
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Given, LockKey, Op, Place, Request};

/// A script and the hash Redis knows it by.
struct Script {
    /// One bit, its own.
    bit: u16,
    source: &'static str,
    hash: String,
}

impl Script {
    fn new(bit: u16, source: &'static str) -> Self {
        Self {
            bit,
            source,
            hash: redis::Script::new(source).get_hash().to_owned(),
        }
    }

    /// The beginning of a call: by hash, or with the source where the server did not know that.
    fn name(&self, out: &mut Vec<u8>, form: Form) {
        let (command, script): (&[u8], &str) = match form.whole {
            true => (b"EVAL", self.source),
            false => (b"EVALSHA", &self.hash),
        };
        resp::argument(out, command);
        resp::argument(out, script.as_bytes());
    }
}

macro_rules! scripts {
    ($($bit:literal $name:ident = $($part:literal),+;)+) => {
        $(static $name: Lazy<Script> = Lazy::new(|| {
            Script::new(1 << $bit, concat!($(include_str!(concat!("../scripts/", $part)), "\n"),+))
        });)+
    };
}

scripts! {
    0 ACQUIRE = "acquire_one.lua", "prelude.lua", "acquire.lua";
    1 EXTEND = "prelude.lua", "extend.lua";
    2 HEAL = "prelude.lua", "heal.lua";
    3 RAISE = "prelude.lua", "raise.lua";
    4 QUEUE = "line.lua", "place.lua", "count.lua", "queue.lua";
    5 LEAVE = "line.lua", "place.lua", "count.lua", "free.lua", "leave.lua";
    6 RELEASE = "release.lua";
    7 RELEASE_MANY = "release_many.lua";
    8 INSPECT = "inspect.lua";
    9 STAND = "line.lua", "place.lua", "stand.lua";
    10 PASS = "line.lua", "count.lua", "free.lua", "pass.lua";
    11 CALL = "line.lua", "call.lua";
}

/// The scripts a server has been sent, one bit each.
///
/// The first call of a script carries its source: asking by the hash first would cost a round trip,
/// and what is asked right behind a release would run before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known(u16);

impl Known {
    /// Whether the script for a request has to be sent whole; from then on it is known.
    pub(super) fn lacks(&mut self, request: &Request, form: Form) -> bool {
        self.learn(script_of(request, form))
    }

    /// The same for the script for many releases.
    pub(super) fn lacks_release_many(&mut self) -> bool {
        self.learn(&RELEASE_MANY)
    }

    fn learn(&mut self, script: &Script) -> bool {
        let lacks = self.0 & script.bit == 0;
        self.0 |= script.bit;
        lacks
    }
}

/// Scripts count in doubles, which skip numbers from here on.
const FENCE_LIMIT: u64 = 1 << 53;

/// A counter below this does not stem from a node's time: it was lost, and counts from nothing.
const FENCE_FLOOR: u64 = 1_000_000_000_000_000;

/// Whether a number is one that a fence key may have reached.
pub(super) fn is_fence(number: u64) -> bool {
    (FENCE_FLOOR..FENCE_LIMIT).contains(&number)
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// The script's source instead of its hash: the server did not know that.
    pub(super) whole: bool,
    /// Let an acquire prolong the fence key.
    pub(super) prolong: bool,
    /// Not in one call with others: the script for many left it to its own.
    pub(super) alone: bool,
    /// With `ASKING` before it: the slot is on its way to this server.
    pub(super) asking: bool,
    /// A lock that is released goes to the first who waits for it.
    pub(super) passes: bool,
}

/// The script that carries a request out.
fn script_of(request: &Request, form: Form) -> &'static Script {
    let queued = is_queued(request);
    match request.op {
        Op::Release { .. } if queued && form.passes => &PASS,
        Op::Call if queued => &CALL,
        Op::Queue { .. } if queued => &QUEUE,
        Op::Leave { .. } if queued => &LEAVE,
        Op::Stand { .. } if queued => &STAND,
        // Without a place there is no order to keep.
        Op::Acquire { .. } | Op::Queue { .. } => &ACQUIRE,
        Op::Extend { .. } => &EXTEND,
        Op::Heal { .. } => &HEAL,
        Op::Raise { .. } => &RAISE,
        Op::Release { .. } => &RELEASE,
        Op::Inspect | Op::Leave { .. } | Op::Stand { .. } | Op::Call => &INSPECT,
    }
}

/// Whether a request is about a place in the order of those who wait.
pub(super) fn is_queued(request: &Request) -> bool {
    request.claim.place().is_some() && request.claim.keys.keys().len() == 1
}

/// Appends the command for a request.
///
/// `open`: what is given to this client while it waits is told there.
pub(super) fn encode(out: &mut Vec<u8>, request: &Request, form: Form, open: Option<&Open>) {
    if let (Some(place), [key]) = (request.claim.place(), request.claim.keys.keys())
        && encode_queued(out, request, form, place, key, open)
    {
        return;
    }
    let keys = request.claim.keys.keys();
    let value = request.claim.value.as_bytes();
    let none = [None, None, None];
    let (counters, numbers): (bool, [Option<u64>; 3]) = match request.op {
        Op::Acquire { ttl, reserve } => (
            true,
            [
                Some(millis_up(ttl)),
                // What goes without saying is not sent: this is the path of every lock.
                (reserve > 1 || form.prolong).then_some(reserve.max(1)),
                form.prolong.then_some(1),
            ],
        ),
        Op::Extend { ttl, reserve } => (true, [Some(millis_up(ttl)), Some(reserve), None]),
        Op::Heal { ttl, fence } => (true, [Some(millis_up(ttl)), Some(fence), None]),
        Op::Raise { fence } => (true, [Some(fence), None, None]),
        Op::Queue { ttl, reserve, .. } => {
            (true, [Some(millis_up(ttl)), Some(reserve.max(1)), Some(1)])
        }
        Op::Release { .. } | Op::Inspect | Op::Leave { .. } | Op::Stand { .. } | Op::Call => {
            (false, none)
        }
    };
    let keys = match request.op {
        Op::Inspect | Op::Leave { .. } | Op::Stand { .. } | Op::Call => {
            keys.get(..1).unwrap_or_default()
        }
        _ => keys,
    };
    let key_count = keys.len() * if counters { 2 } else { 1 };
    let numbers = numbers.iter().flatten();
    resp::start(out, 3 + key_count + 1 + numbers.clone().count());
    script_of(request, form).name(out, form);
    resp::integer(out, u64::try_from(key_count).unwrap_or(u64::MAX));
    for key in keys {
        resp::argument(out, key.lock.as_bytes());
    }
    if counters {
        for key in keys {
            resp::argument(out, key.fence.as_bytes());
        }
    }
    resp::argument(out, value);
    for number in numbers {
        resp::integer(out, *number);
    }
}

/// Appends the command for an operation on a queue; `false`: the request is not one.
fn encode_queued(
    out: &mut Vec<u8>,
    request: &Request,
    form: Form,
    place: &Place,
    key: &LockKey,
    open: Option<&Open>,
) -> bool {
    let value = request.claim.value.as_bytes();
    match request.op {
        Op::Queue {
            ttl,
            reserve,
            life,
            watch,
            offer,
            question,
        } => {
            let told = offer.zip(open);
            // A slot on its way to this server: it cannot tell that the lock key is still at the
            // other one unless the key is named.
            let watch = watch || form.asking;
            let optional = usize::from(watch) + 2 * usize::from(told.is_some());
            resp::start(out, 3 + 1 + 7 + optional);
            script_of(request, form).name(out, form);
            resp::integer(out, 1 + u64::from(watch));
            resp::argument(out, place.own.as_bytes());
            if watch {
                resp::argument(out, key.lock.as_bytes());
            }
            resp::argument(out, value);
            resp::integer(out, millis_up(ttl));
            resp::integer(out, reserve.max(1));
            resp::argument(out, key.lock.as_bytes());
            resp::argument(out, key.fence.as_bytes());
            resp::argument(out, place.queue.as_bytes());
            resp::integer(out, millis_up(life));
            if let Some((grant, open)) = told {
                let carried = carried(grant, reserve, question, &open.given, &request.claim.value);
                resp::argument(out, carried.as_bytes());
                resp::argument(out, open.wanted.as_bytes());
            }
        }
        Op::Release { .. } if form.passes => {
            resp::start(out, 3 + 5);
            script_of(request, form).name(out, form);
            resp::integer(out, 0);
            resp::argument(out, value);
            resp::argument(out, key.lock.as_bytes());
            resp::argument(out, key.fence.as_bytes());
            resp::argument(out, place.queue.as_bytes());
            let own = match request.claim.is_served() {
                true => "",
                false => &*place.own,
            };
            resp::argument(out, own.as_bytes());
        }
        Op::Call => {
            resp::start(out, 3 + 2);
            script_of(request, form).name(out, form);
            resp::integer(out, 0);
            resp::argument(out, value);
            resp::argument(out, place.queue.as_bytes());
        }
        Op::Stand { life } => {
            resp::start(out, 3 + 1 + 3);
            script_of(request, form).name(out, form);
            resp::integer(out, 1);
            resp::argument(out, place.own.as_bytes());
            resp::argument(out, value);
            resp::argument(out, place.queue.as_bytes());
            resp::integer(out, millis_up(life));
        }
        Op::Leave { .. } => {
            resp::start(out, 3 + 1 + if form.passes { 4 } else { 2 });
            script_of(request, form).name(out, form);
            resp::integer(out, 1);
            resp::argument(out, place.own.as_bytes());
            resp::argument(out, value);
            resp::argument(out, place.queue.as_bytes());
            if form.passes {
                resp::argument(out, key.lock.as_bytes());
                resp::argument(out, key.fence.as_bytes());
            }
        }
        _ => return false,
    }
    true
}

/// What a place carries by which the lock can be given to its waiter: see `line.lua`.
fn carried(grant: Duration, reserve: u64, question: u32, channel: &str, value: &str) -> String {
    let (grant, reserve) = (millis_up(grant), reserve.max(1));
    format!(
        "{grant} {reserve} {question} {} {channel}{value}",
        channel.len()
    )
}

/// The channels of one connection that the server has opened.
#[derive(Debug)]
pub(super) struct Open {
    /// Its own.
    pub(super) given: Box<str>,
    /// The beginning of those of all processes.
    pub(super) wanted: Arc<str>,
}

/// What is told on a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// The waiter at a place has the lock:
    /// `given {end} {question} {length of the place} {place}{value}`.
    Given(&'a str, Given),
    /// Somebody waits for a lock key of this process: `wanted {key}`.
    Wanted(&'a str),
}

pub(super) fn news(told: &str) -> Option<News<'_>> {
    if let Some(key) = told.strip_prefix("wanted ") {
        return Some(News::Wanted(key));
    }
    let told = told.strip_prefix("given ")?;
    let (end, told) = told.split_once(' ')?;
    let (question, told) = told.split_once(' ')?;
    let (length, told) = told.split_once(' ')?;
    let (place, value) = told.split_at_checked(length.parse().ok()?)?;
    let given = Given {
        value: value.into(),
        end: end.parse().ok()?,
        question: question.parse().ok()?,
    };
    Some(News::Given(place, given))
}

/// What takes no script of its own: one key, and nothing known that speaks against its success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// Two commands do it: see [`encode_plain_acquire`].
    Acquire,
    /// One of many in a call.
    Release,
}

pub(super) fn plain(request: &Request, form: Form) -> Option<Plain> {
    if request.claim.keys.keys().len() != 1 || form != Form::default() {
        return None;
    }
    match request.op {
        Op::Acquire { reserve, .. } if reserve <= 1 => Some(Plain::Acquire),
        Op::Release { .. } => Some(Plain::Release),
        _ => None,
    }
}

/// Appends what acquires one key without a script: `SET NX PX`, then the count of its fence key.
///
/// Nobody can come between the two: whoever else wants the key is refused by then. A count behind a
/// refusal is a number that nobody gets. A reply that is not the plain one leaves the rest to the
/// script, which finds the key carrying the claim's own value.
pub(super) fn encode_plain_acquire(out: &mut Vec<u8>, request: &Request) {
    let (Op::Acquire { ttl, .. }, Some(key)) = (request.op, request.claim.keys.keys().first())
    else {
        return;
    };
    resp::start(out, 6);
    resp::argument(out, b"SET");
    resp::argument(out, key.lock.as_bytes());
    resp::argument(out, request.claim.value.as_bytes());
    resp::argument(out, b"NX");
    resp::argument(out, b"PX");
    resp::integer(out, millis_up(ttl));
    resp::start(out, 3);
    resp::argument(out, b"INCRBY");
    resp::argument(out, key.fence.as_bytes());
    resp::argument(out, b"1");
}

/// Appends one call for many releases of one key each.
pub(super) fn encode_release_many<'a>(
    out: &mut Vec<u8>,
    requests: impl Iterator<Item = &'a Request> + Clone,
    form: Form,
) {
    let keyed = requests.filter_map(|request| Some((request, request.claim.keys.keys().first()?)));
    let count = keyed.clone().count();
    resp::start(out, 3 + 2 * count);
    RELEASE_MANY.name(out, form);
    resp::integer(out, u64::try_from(count).unwrap_or(u64::MAX));
    for (_, key) in keyed.clone() {
        resp::argument(out, key.lock.as_bytes());
    }
    for (request, _) in keyed {
        resp::argument(out, request.claim.value.as_bytes());
    }
}

/// Refuses what the scripts could not count with.
pub(super) fn check(op: Op) -> Result<(), NodeError> {
    match op {
        Op::Acquire {
            reserve: number, ..
        }
        | Op::Extend {
            reserve: number, ..
        }
        | Op::Heal { fence: number, .. }
        | Op::Raise { fence: number }
            if number >= FENCE_LIMIT =>
        {
            Err(NodeError::new(
                NodeErrorKind::Protocol,
                format!(
                    "a fencing counter has reached {number}, beyond 2^53; set the servers' clocks right and delete their fence keys"
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// A TTL as Redis takes it: rounded up, since no lock may end early on the server.
fn millis_up(ttl: Duration) -> u64 {
    let nanos = ttl.as_nanos();
    // Redis refuses what does not fit, added to its clock, into 63 bits.
    const LONGEST: u64 = 1 << 52;
    u64::try_from(nanos.div_ceil(1_000_000))
        .unwrap_or(LONGEST)
        .clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_rounded_up_and_stay_in_range() {
        assert_eq!(millis_up(Duration::from_millis(5)), 5);
        assert_eq!(millis_up(Duration::from_nanos(5_000_001)), 6);
        assert_eq!(millis_up(Duration::ZERO), 1);
        assert_eq!(millis_up(Duration::MAX), 1 << 52);
    }
}
