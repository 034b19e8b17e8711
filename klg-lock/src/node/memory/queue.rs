//! Serving waiters in the order in which they asked: the queue of `queue.lua`, in memory.

use std::sync::Arc;
use std::time::Duration;

use super::{Standing, look};
use crate::memory::{Keyspace, Micros, Value};
use crate::node::{Claim, Occupied, Place, Vote};

/// Takes or keeps the claim's place. `None`: it is its turn, and the key is free or its own.
pub(super) fn take_turn(
    ks: &mut Keyspace,
    claim: &Claim,
    now: Micros,
    life: Duration,
    watch: bool,
) -> Option<Vote> {
    let place = claim.place()?;
    let (queue, moved) = living(ks, place, now);
    let occupied = match look(ks, claim, now) {
        Standing::Own => return None,
        Standing::Absent if queue.first().is_none_or(|first| *first == place.own) => return None,
        Standing::Absent => Occupied {
            key: 0,
            value: None,
            remaining: Some(Duration::ZERO),
            ahead: None,
        },
        Standing::Other(occupied) => occupied,
    };
    let ahead = enter(ks, place, queue, moved, now, life);
    if let Some(key) = claim.keys.keys().first().filter(|_| watch) {
        ks.track(&key.lock);
    }
    Some(Vote::Held(Occupied {
        ahead: Some(ahead),
        ..occupied
    }))
}

/// Takes or keeps the claim's place, whatever becomes of the key.
pub(super) fn stand(ks: &mut Keyspace, claim: &Claim, now: Micros, life: Duration) -> Vote {
    let ahead = claim.place().map(|place| {
        let (queue, moved) = living(ks, place, now);
        enter(ks, place, queue, moved, now, life)
    });
    Vote::Held(Occupied {
        key: 0,
        value: None,
        remaining: None,
        ahead,
    })
}

/// The places from the first one on that is alive, or the claim's own; and whether others were
/// removed for it.
fn living(ks: &mut Keyspace, place: &Place, now: Micros) -> (Vec<Arc<str>>, bool) {
    let mut queue = queue(ks, &place.queue, now);
    let before = queue.len();
    while queue
        .first()
        .is_some_and(|first| *first != place.own && ks.get(first, now).is_none())
    {
        queue.remove(0);
    }
    let moved = queue.len() < before;
    (queue, moved)
}

/// Puts the place at the end unless it is there; answers how many are ahead of it.
fn enter(
    ks: &mut Keyspace,
    place: &Place,
    mut queue: Vec<Arc<str>>,
    moved: bool,
    now: Micros,
    life: Duration,
) -> u64 {
    if moved {
        call(ks, queue.first().filter(|first| **first != place.own), now);
    }
    if !queue.contains(&place.own) {
        queue.push(Arc::clone(&place.own));
    }
    let ahead = queue
        .iter()
        .position(|other| *other == place.own)
        .unwrap_or_default();
    store(ks, &place.queue, queue, now, life);
    ks.set(
        Arc::clone(&place.own),
        Value::Int(1),
        Some(Keyspace::deadline(now, life)),
    );
    ks.track(&place.own);
    u64::try_from(ahead).unwrap_or(u64::MAX)
}

/// The claim was granted: its place is free, and the next one is told that it is the first.
pub(super) fn served(ks: &mut Keyspace, claim: &Claim, now: Micros) {
    let Some(place) = claim.place() else { return };
    let first = remove(ks, place, now);
    call(ks, first.as_ref(), now);
}

/// Gives the claim's place up.
pub(super) fn leave(ks: &mut Keyspace, claim: &Claim) -> Vote {
    let now = ks.clock.now();
    if let Some(place) = claim.place() {
        let was_first = queue(ks, &place.queue, now).first() == Some(&place.own);
        let first = remove(ks, place, now);
        call(ks, first.as_ref().filter(|_| was_first), now);
    }
    Vote::Granted { end: 0 }
}

/// Has the first who waits ask.
pub(super) fn call_first(ks: &mut Keyspace, claim: &Claim) -> Vote {
    let now = ks.clock.now();
    if let Some(place) = claim.place() {
        let (queue, _) = living(ks, place, now);
        call(ks, queue.first(), now);
    }
    Vote::Granted { end: 0 }
}

fn queue(ks: &mut Keyspace, key: &str, now: Micros) -> Vec<Arc<str>> {
    let Some(Value::List(names)) = ks.get(key, now).map(|entry| &entry.value) else {
        return Vec::new();
    };
    let names = names.iter().map(|name| String::from_utf8_lossy(name));
    names.map(Arc::from).collect()
}

fn store(ks: &mut Keyspace, key: &str, queue: Vec<Arc<str>>, now: Micros, life: Duration) {
    if queue.is_empty() {
        ks.remove(key);
    } else {
        let names = queue.iter().map(|name| name.as_bytes().to_vec());
        ks.set_borrowed(
            key,
            Value::List(names.collect()),
            Some(Keyspace::deadline(now, life * 4)),
        );
    }
}

/// Takes a place out; answers who is the first then.
fn remove(ks: &mut Keyspace, place: &Place, now: Micros) -> Option<Arc<str>> {
    let mut names = queue(ks, &place.queue, now);
    names.retain(|name| *name != place.own);
    ks.remove(&place.own);
    while names
        .first()
        .is_some_and(|first| ks.get(first, now).is_none())
    {
        names.remove(0);
    }
    let first = names.first().cloned();
    let life = Duration::from_secs(5);
    store(ks, &place.queue, names, now, life);
    first
}

/// Tells a waiter to ask, by changing the key of its place.
fn call(ks: &mut Keyspace, place: Option<&Arc<str>>, now: Micros) {
    let Some(place) = place else { return };
    if let Some(expires) = ks.get(place, now).map(|entry| entry.expires) {
        ks.set(Arc::clone(place), Value::Int(1), expires);
    }
}
