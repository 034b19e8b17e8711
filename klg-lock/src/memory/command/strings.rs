//! Commands on strings and counters.

use super::{Args, Outcome, Refusal, Reply, bytes_or_nil, count, key};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::value::{Bytes, Value};

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "GET" => read(ks, args, now).map(bytes_or_nil),
        "SET" => set(ks, args, now),
        "MGET" => mget(ks, args, now),
        "MSET" => mset(ks, args),
        "GETDEL" => getdel(ks, args, now),
        "GETEX" => getex(ks, args, now),
        "APPEND" => append(ks, args, now),
        "STRLEN" => read(ks, args, now).map(|text| count(text.unwrap_or_default().len())),
        "INCR" => add(ks, args, now, Ok(1)),
        "DECR" => add(ks, args, now, Ok(-1)),
        "INCRBY" => add(ks, args, now, args.int(1)),
        "DECRBY" => add(ks, args, now, args.int(1).and_then(negated)),
        "INCRBYFLOAT" => add_float(ks, args, now),
        _ => return None,
    })
}

fn negated(number: i64) -> Result<i64, Refusal> {
    number
        .checked_neg()
        .ok_or_else(|| Refusal::new("decrement would overflow"))
}

fn text(ks: &mut Keyspace, key: &str, now: Micros) -> Result<Option<Bytes>, Refusal> {
    match ks.read(key, now) {
        None => Ok(None),
        Some(entry) => entry
            .value
            .to_bytes()
            .map(Some)
            .ok_or_else(Refusal::wrong_type),
    }
}

fn read(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Result<Option<Bytes>, Refusal> {
    text(ks, args.key(0)?, now)
}

/// The options of `SET` and `GETEX` that say when a key expires.
fn expiry(args: Args<'_>, at: usize, now: Micros) -> Result<Option<Micros>, Refusal> {
    let word = args.word(at);
    let number = args.int(at + 1)?;
    let unit = if word.starts_with('P') {
        1000
    } else {
        1_000_000
    };
    let micros = Micros::try_from(number).unwrap_or(0).saturating_mul(unit);
    if micros == 0 {
        return Err(Refusal::new(format!(
            "invalid expire time in '{}' command",
            args.name.to_lowercase()
        )));
    }
    Ok(Some(if word.ends_with("AT") {
        micros
    } else {
        now.saturating_add(micros)
    }))
}

fn set(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (key, value) = (args.key(0)?, args.bytes(1)?);
    let (mut only_if, mut expires, mut keep, mut give_old) = (None, None, false, false);
    let mut at = 2;
    while at < args.len() {
        match args.word(at).as_str() {
            "NX" => only_if = Some(false),
            "XX" => only_if = Some(true),
            "GET" => give_old = true,
            "KEEPTTL" => keep = true,
            "EX" | "PX" | "EXAT" | "PXAT" => {
                expires = expiry(args, at, now)?;
                at += 1;
            }
            _ => return Err(Refusal::syntax()),
        }
        at += 1;
    }
    let old = if give_old { text(ks, key, now)? } else { None };
    let before = ks.read(key, now).map(|entry| entry.expires);
    let refused = only_if.is_some_and(|there| there != before.is_some());
    if !refused {
        if keep {
            expires = before.flatten();
        }
        ks.set_borrowed(key, Value::Text(value.into()), expires);
    }
    Ok(match (give_old, refused) {
        (true, _) => bytes_or_nil(old),
        (false, true) => Reply::Nil,
        (false, false) => Reply::Ok,
    })
}

fn mget(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    args.bytes(0)?;
    let mut values = Vec::with_capacity(args.len());
    for bytes in args.from(0) {
        let entry = ks.read(key(bytes)?, now);
        // Of another type is as good as absent here.
        values.push(bytes_or_nil(entry.and_then(|entry| entry.value.to_bytes())));
    }
    Ok(Reply::List(values))
}

fn mset(ks: &mut Keyspace, args: Args<'_>) -> Outcome {
    if args.len() == 0 || !args.len().is_multiple_of(2) {
        return args.bytes(args.len()).map(|_| Reply::Nil);
    }
    for pair in args.from(0).chunks_exact(2) {
        if let [name, value] = pair {
            ks.set_borrowed(key(name)?, Value::Text(value.as_slice().into()), None);
        }
    }
    Ok(Reply::Ok)
}

fn getdel(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let text = read(ks, args, now)?;
    if text.is_some() {
        ks.remove(args.key(0)?);
    }
    Ok(bytes_or_nil(text))
}

fn getex(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let text = read(ks, args, now)?;
    if text.is_some() && args.len() > 1 {
        let expires = match args.word(1).as_str() {
            "PERSIST" => None,
            "EX" | "PX" | "EXAT" | "PXAT" => expiry(args, 1, now)?,
            _ => return Err(Refusal::syntax()),
        };
        ks.expire(args.key(0)?, expires);
    }
    Ok(bytes_or_nil(text))
}

/// Puts a string in the place of another; the expiry stays.
fn replace(ks: &mut Keyspace, key: &str, now: Micros, value: Value) {
    let expires = ks.get(key, now).and_then(|entry| entry.expires);
    ks.set_borrowed(key, value, expires);
}

fn append(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let mut text = read(ks, args, now)?.unwrap_or_default();
    text.extend_from_slice(args.bytes(1)?);
    let length = text.len();
    replace(ks, args.key(0)?, now, Value::Text(text.into()));
    Ok(count(length))
}

fn add(ks: &mut Keyspace, args: Args<'_>, now: Micros, by: Result<i64, Refusal>) -> Outcome {
    let (key, by) = (args.key(0)?, by?);
    let before = match ks.read(key, now).map(|entry| &entry.value) {
        None => 0,
        Some(value @ (Value::Text(_) | Value::Int(_))) => value
            .to_number()
            .ok_or_else(|| Refusal::new("value is not an integer or out of range"))?,
        Some(_) => return Err(Refusal::wrong_type()),
    };
    let after = before
        .checked_add(by)
        .ok_or_else(|| Refusal::new("increment or decrement would overflow"))?;
    replace(ks, key, now, Value::Int(after));
    Ok(Reply::Int(after))
}

fn add_float(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let by = args.float(1)?;
    let before = match read(ks, args, now)? {
        None => 0.0,
        Some(text) => {
            super::float(&text).ok_or_else(|| Refusal::new("value is not a valid float"))?
        }
    };
    let after = before + by;
    if !after.is_finite() {
        return Err(Refusal::new("increment would produce NaN or Infinity"));
    }
    let text = after.to_string().into_bytes();
    replace(ks, args.key(0)?, now, Value::Text(text.as_slice().into()));
    Ok(Reply::Bytes(text))
}
