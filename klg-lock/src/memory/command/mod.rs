//! The Redis commands a memory server understands, and how they are answered.

mod hashes;
mod keys;
mod lists;
mod sets;
mod sorted_sets;
mod strings;

use std::borrow::Cow;

use super::clock::Micros;
use super::keyspace::Keyspace;
use super::value::{Bytes, Collection};

/// What a command is answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Nil,
    Ok,
    Int(i64),
    Double(f64),
    Bytes(Bytes),
    List(Vec<Reply>),
}

/// Why a command is not carried out: the code and the text of a Redis error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) text: Cow<'static, str>,
}

pub(crate) type Outcome = Result<Reply, Refusal>;

impl Refusal {
    fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: "ERR",
            text: text.into(),
        }
    }

    fn wrong_type() -> Self {
        Self {
            code: "WRONGTYPE",
            text: "Operation against a key holding the wrong kind of value".into(),
        }
    }

    fn syntax() -> Self {
        Self::new("syntax error")
    }
}

/// A command's arguments, its name left out.
#[derive(Clone, Copy)]
struct Args<'a> {
    name: &'a str,
    args: &'a [Bytes],
}

impl<'a> Args<'a> {
    fn len(self) -> usize {
        self.args.len()
    }

    fn from(self, index: usize) -> &'a [Bytes] {
        self.args.get(index..).unwrap_or_default()
    }

    fn bytes(self, index: usize) -> Result<&'a [u8], Refusal> {
        match self.args.get(index) {
            Some(bytes) => Ok(bytes),
            None => Err(Refusal::new(format!(
                "wrong number of arguments for '{}' command",
                self.name.to_lowercase()
            ))),
        }
    }

    fn key(self, index: usize) -> Result<&'a str, Refusal> {
        key(self.bytes(index)?)
    }

    fn int(self, index: usize) -> Result<i64, Refusal> {
        let text = std::str::from_utf8(self.bytes(index)?).ok();
        text.and_then(|text| text.parse().ok())
            .ok_or_else(|| Refusal::new("value is not an integer or out of range"))
    }

    fn float(self, index: usize) -> Result<f64, Refusal> {
        float(self.bytes(index)?).ok_or_else(|| Refusal::new("value is not a valid float"))
    }

    /// An option's name, in capitals; empty behind the last argument.
    fn word(self, index: usize) -> String {
        let word = self.args.get(index).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(word).to_ascii_uppercase()
    }
}

fn key(bytes: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(bytes)
        .map_err(|_| Refusal::new("memory:// takes no keys that are not UTF-8"))
}

fn float(bytes: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// A number of things as an answer.
fn count(number: usize) -> Reply {
    Reply::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn flag(flag: bool) -> Reply {
    Reply::Int(i64::from(flag))
}

fn bytes_or_nil(bytes: Option<Bytes>) -> Reply {
    bytes.map_or(Reply::Nil, Reply::Bytes)
}

fn list<'a>(items: impl IntoIterator<Item = &'a Bytes>) -> Reply {
    let items = items.into_iter().cloned().map(Reply::Bytes);
    Reply::List(items.collect())
}

/// From `start` to `stop`, both included and negative from the end, as a range of indexes.
fn span(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len_signed = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| {
        if index < 0 {
            len_signed.saturating_add(index)
        } else {
            index
        }
    };
    let start = usize::try_from(from_end(start).max(0)).unwrap_or(usize::MAX);
    let stop = from_end(stop).saturating_add(1).clamp(0, len_signed);
    let stop = usize::try_from(stop).unwrap_or(0);
    if start < stop { start..stop } else { 0..0 }
}

/// Reads a collection; an absent one is empty.
fn read<C: Collection, R>(
    ks: &mut Keyspace,
    key: &str,
    now: Micros,
    look: impl FnOnce(&C) -> R,
) -> Result<R, Refusal> {
    match ks.read(key, now) {
        None => Ok(look(&C::default())),
        Some(entry) => C::of(&entry.value)
            .map(look)
            .ok_or_else(Refusal::wrong_type),
    }
}

/// Changes a collection, which is made if absent and gone once it is empty. The change says whether
/// it was one.
fn edit<C: Collection, R>(
    ks: &mut Keyspace,
    key: &str,
    now: Micros,
    change: impl FnOnce(&mut C) -> (bool, R),
) -> Result<R, Refusal> {
    let Some(value) = ks.value_mut(key, now) else {
        let mut collection = C::default();
        let (_, result) = change(&mut collection);
        if !collection.is_empty() {
            ks.set_borrowed(key, collection.into_value(), None);
        }
        return Ok(result);
    };
    let collection = C::of_mut(value).ok_or_else(Refusal::wrong_type)?;
    let (changed, result) = change(collection);
    let empty = collection.is_empty();
    if empty {
        ks.remove(key);
    } else if changed {
        ks.changed(key);
    }
    Ok(result)
}

/// Carries out one command: its name and arguments.
pub(crate) fn run(ks: &mut Keyspace, command: &[Bytes]) -> Outcome {
    let Some((name, args)) = command.split_first() else {
        return Err(Refusal::new("empty command"));
    };
    let name = String::from_utf8_lossy(name).to_ascii_uppercase();
    ks.count(&name);
    let args = Args { name: &name, args };
    let now = ks.clock.now();
    keys::run(ks, args, now)
        .or_else(|| strings::run(ks, args, now))
        .or_else(|| hashes::run(ks, args, now))
        .or_else(|| lists::run(ks, args, now))
        .or_else(|| sets::run(ks, args, now))
        .or_else(|| sorted_sets::run(ks, args, now))
        .unwrap_or_else(|| {
            Err(Refusal::new(format!(
                "memory:// does not know the command '{name}'"
            )))
        })
}
