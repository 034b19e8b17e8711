//! Commands on hashes.

use std::collections::BTreeMap;

use super::{Args, Outcome, Refusal, Reply, bytes_or_nil, count, edit, flag, list, read};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::value::Bytes;

type Hash = BTreeMap<Bytes, Bytes>;

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "HSET" => hset(ks, args, now),
        "HSETNX" => hsetnx(ks, args, now),
        "HGET" => hget(ks, args, now),
        "HMGET" => hmget(ks, args, now),
        "HGETALL" => look(ks, args, now, |hash| {
            list(hash.iter().flat_map(|(field, value)| [field, value]))
        }),
        "HDEL" => hdel(ks, args, now),
        "HEXISTS" => args
            .bytes(1)
            .and_then(|field| look(ks, args, now, |hash| flag(hash.contains_key(field)))),
        "HLEN" => look(ks, args, now, |hash| count(hash.len())),
        "HKEYS" => look(ks, args, now, |hash| list(hash.keys())),
        "HVALS" => look(ks, args, now, |hash| list(hash.values())),
        "HINCRBY" => add(ks, args, now),
        "HINCRBYFLOAT" => add_float(ks, args, now),
        _ => return None,
    })
}

fn look(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    look: impl FnOnce(&Hash) -> Reply,
) -> Outcome {
    read(ks, args.key(0)?, now, look)
}

fn hset(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    if args.len() < 3 || args.len().is_multiple_of(2) {
        return args.bytes(args.len()).map(|_| Reply::Nil);
    }
    edit(ks, args.key(0)?, now, |hash: &mut Hash| {
        let before = hash.len();
        for pair in args.from(1).chunks_exact(2) {
            if let [field, value] = pair {
                hash.insert(field.clone(), value.clone());
            }
        }
        (true, count(hash.len() - before))
    })
}

fn hsetnx(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (field, value) = (args.bytes(1)?, args.bytes(2)?);
    edit(ks, args.key(0)?, now, |hash: &mut Hash| {
        let new = !hash.contains_key(field);
        if new {
            hash.insert(field.to_vec(), value.to_vec());
        }
        (new, flag(new))
    })
}

fn hget(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let field = args.bytes(1)?;
    look(ks, args, now, |hash| bytes_or_nil(hash.get(field).cloned()))
}

fn hmget(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    args.bytes(1)?;
    look(ks, args, now, |hash| {
        let fields = args.from(1).iter();
        Reply::List(
            fields
                .map(|field| bytes_or_nil(hash.get(field).cloned()))
                .collect(),
        )
    })
}

fn hdel(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    args.bytes(1)?;
    edit(ks, args.key(0)?, now, |hash: &mut Hash| {
        let fields = args.from(1).iter();
        let gone = fields.filter(|field| hash.remove(*field).is_some()).count();
        (gone > 0, count(gone))
    })
}

fn add(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (field, by) = (args.bytes(1)?, args.int(2)?);
    edit(ks, args.key(0)?, now, |hash: &mut Hash| {
        let before = match hash.get(field).map(|text| std::str::from_utf8(text)) {
            None => Some(0),
            Some(text) => text.ok().and_then(|text| text.parse::<i64>().ok()),
        };
        let Some(before) = before else {
            return (false, Err(Refusal::new("hash value is not an integer")));
        };
        let Some(after) = before.checked_add(by) else {
            return (
                false,
                Err(Refusal::new("increment or decrement would overflow")),
            );
        };
        hash.insert(field.to_vec(), after.to_string().into_bytes());
        (true, Ok(Reply::Int(after)))
    })?
}

fn add_float(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (field, by) = (args.bytes(1)?, args.float(2)?);
    edit(ks, args.key(0)?, now, |hash: &mut Hash| {
        let before = hash.get(field).map_or(Some(0.0), |text| super::float(text));
        let Some(after) = before.map(|before| before + by) else {
            return (false, Err(Refusal::new("hash value is not a float")));
        };
        if !after.is_finite() {
            return (
                false,
                Err(Refusal::new("increment would produce NaN or Infinity")),
            );
        }
        let text = after.to_string().into_bytes();
        hash.insert(field.to_vec(), text.clone());
        (true, Ok(Reply::Bytes(text)))
    })?
}
