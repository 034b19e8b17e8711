//! Commands on keys of any type: existence, expiry, names; and on the server itself.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use super::{Args, Outcome, Refusal, Reply, count, flag, key};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::glob;

/// Milliseconds on the wire are microseconds on the clock.
const MILLI: i64 = 1000;

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "PING" => Ok(Reply::Bytes(b"PONG".to_vec())),
        "DEL" | "UNLINK" => each(args, |key| ks.get(key, now).is_some() && ks.remove(key)),
        "EXISTS" => each(args, |key| ks.read(key, now).is_some()),
        "TYPE" => type_of(ks, args, now),
        "RENAME" => rename(ks, args, now),
        "EXPIRE" => expire(ks, args, now, 1000 * MILLI, relative(now)),
        "PEXPIRE" => expire(ks, args, now, MILLI, relative(now)),
        "EXPIREAT" => expire(ks, args, now, 1000 * MILLI, 0),
        "PEXPIREAT" => expire(ks, args, now, MILLI, 0),
        "PERSIST" => persist(ks, args, now),
        "TTL" => ttl(ks, args, now, 1000 * MILLI),
        "PTTL" => ttl(ks, args, now, MILLI),
        "SCAN" => scan(ks, args),
        "FLUSHALL" | "FLUSHDB" => {
            ks.flush(HashMap::new());
            Ok(Reply::Ok)
        }
        "PUBLISH" => args.key(0).and_then(|channel| {
            let payload = args.bytes(1)?;
            Ok(count(ks.publish(channel, payload)))
        }),
        "DBSIZE" => Ok(count(ks.keys().len())),
        "TIME" => Ok(Reply::List(vec![
            Reply::Bytes((now / 1_000_000).to_string().into_bytes()),
            Reply::Bytes((now % 1_000_000).to_string().into_bytes()),
        ])),
        _ => return None,
    })
}

fn each(args: Args<'_>, mut does: impl FnMut(&str) -> bool) -> Outcome {
    args.bytes(0)?;
    let mut hits = 0;
    for bytes in args.from(0) {
        hits += usize::from(does(key(bytes)?));
    }
    Ok(count(hits))
}

fn type_of(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let entry = ks.read(args.key(0)?, now);
    let name = entry.map_or("none", |entry| entry.value.type_name());
    Ok(Reply::Bytes(name.into()))
}

fn rename(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (from, to) = (args.key(0)?, args.key(1)?);
    let Some(entry) = ks.get(from, now).cloned() else {
        return Err(Refusal::new("no such key"));
    };
    ks.remove(from);
    ks.set_borrowed(to, entry.value, entry.expires);
    Ok(Reply::Ok)
}

fn relative(now: Micros) -> i64 {
    i64::try_from(now).unwrap_or(i64::MAX)
}

fn expire(ks: &mut Keyspace, args: Args<'_>, now: Micros, unit: i64, base: i64) -> Outcome {
    let (key, after) = (args.key(0)?, args.int(1)?);
    if ks.get(key, now).is_none() {
        return Ok(flag(false));
    }
    let expires = base.saturating_add(after.saturating_mul(unit));
    match Micros::try_from(expires) {
        Ok(expires) if expires > now => ks.expire(key, Some(expires)),
        _ => {
            ks.remove(key);
        }
    }
    Ok(flag(true))
}

fn persist(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let key = args.key(0)?;
    let expires = ks
        .get(key, now)
        .is_some_and(|entry| entry.expires.is_some());
    if expires {
        ks.expire(key, None);
    }
    Ok(flag(expires))
}

fn ttl(ks: &mut Keyspace, args: Args<'_>, now: Micros, unit: i64) -> Outcome {
    Ok(Reply::Int(match ks.read(args.key(0)?, now) {
        None => -2,
        Some(entry) => match entry.expires {
            None => -1,
            Some(expires) => {
                let left = i64::try_from(expires.saturating_sub(now)).unwrap_or(i64::MAX);
                left.saturating_add(unit / 2) / unit
            }
        },
    }))
}

/// Goes through the keys in the order of a hash of theirs, which nobody's coming and going
/// disturbs: the cursor is the hash to go on from.
fn scan(ks: &mut Keyspace, args: Args<'_>) -> Outcome {
    let from = std::str::from_utf8(args.bytes(0)?).ok();
    let from: u64 = from
        .and_then(|from| from.parse().ok())
        .ok_or_else(|| Refusal::new("invalid cursor"))?;
    let (mut pattern, mut at_most, mut of_type) = (None, 10, None);
    let mut at = 1;
    while at < args.len() {
        match args.word(at).as_str() {
            "MATCH" => pattern = Some(args.bytes(at + 1)?),
            "COUNT" => at_most = usize::try_from(args.int(at + 1)?).unwrap_or(0),
            "TYPE" => of_type = Some(args.word(at + 1).to_lowercase()),
            _ => return Err(Refusal::syntax()),
        }
        at += 2;
    }
    if at_most == 0 {
        return Err(Refusal::syntax());
    }
    let hash = |key: &Arc<str>| {
        let mut hasher = DefaultHasher::new();
        hasher.write(key.as_bytes());
        hasher.finish()
    };
    let mut keys: Vec<(u64, Arc<str>)> =
        ks.keys().into_iter().map(|key| (hash(&key), key)).collect();
    keys.retain(|(hash, _)| *hash >= from);
    keys.sort_unstable();
    // Keys of one hash stay together: the cursor cannot point between them.
    let mut end = at_most.min(keys.len());
    while end < keys.len() && keys[end].0 == keys[end - 1].0 {
        end += 1;
    }
    let cursor = keys.get(end).map_or(0, |(hash, _)| *hash);
    let now = ks.clock.now();
    let mut found = Vec::new();
    for (_, key) in keys.drain(..end) {
        let fits = pattern.is_none_or(|pattern| glob::matches(pattern, key.as_bytes()));
        let typed = of_type.as_deref().is_none_or(|of_type| {
            let entry = ks.get(&key, now);
            entry.is_some_and(|entry| entry.value.type_name() == of_type)
        });
        if fits && typed {
            found.push(Reply::Bytes(key.as_bytes().to_vec()));
        }
    }
    let cursor = Reply::Bytes(cursor.to_string().into_bytes());
    Ok(Reply::List(vec![cursor, Reply::List(found)]))
}
