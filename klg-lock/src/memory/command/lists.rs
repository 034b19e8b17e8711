//! Commands on lists.

use std::collections::VecDeque;

use super::{Args, Outcome, Refusal, Reply, bytes_or_nil, count, edit, list, read, span};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::value::Bytes;

type List = VecDeque<Bytes>;

#[derive(Clone, Copy, PartialEq)]
enum End {
    Left,
    Right,
}

impl End {
    fn push(self, list: &mut List, item: Bytes) {
        match self {
            Self::Left => list.push_front(item),
            Self::Right => list.push_back(item),
        }
    }

    fn pop(self, list: &mut List) -> Option<Bytes> {
        match self {
            Self::Left => list.pop_front(),
            Self::Right => list.pop_back(),
        }
    }
}

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "LPUSH" => push(ks, args, now, End::Left),
        "RPUSH" => push(ks, args, now, End::Right),
        "LPOP" => pop(ks, args, now, End::Left),
        "RPOP" => pop(ks, args, now, End::Right),
        "LMOVE" => lmove(ks, args, now),
        "LLEN" => look(ks, args, now, |list| Ok(count(list.len()))),
        "LINDEX" => look(ks, args, now, |list| {
            let at = span(args.int(1)?, args.int(1)?, list.len());
            Ok(bytes_or_nil(list.range(at).next().cloned()))
        }),
        "LRANGE" => look(ks, args, now, |items| {
            let range = span(args.int(1)?, args.int(2)?, items.len());
            Ok(list(items.range(range)))
        }),
        "LSET" => lset(ks, args, now),
        "LREM" => lrem(ks, args, now),
        "LTRIM" => ltrim(ks, args, now),
        _ => return None,
    })
}

fn look(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    look: impl FnOnce(&List) -> Outcome,
) -> Outcome {
    read(ks, args.key(0)?, now, look)?
}

fn push(ks: &mut Keyspace, args: Args<'_>, now: Micros, end: End) -> Outcome {
    args.bytes(1)?;
    edit(ks, args.key(0)?, now, |list: &mut List| {
        for item in args.from(1) {
            end.push(list, item.clone());
        }
        (true, count(list.len()))
    })
}

fn pop(ks: &mut Keyspace, args: Args<'_>, now: Micros, end: End) -> Outcome {
    edit(ks, args.key(0)?, now, |list: &mut List| {
        let item = end.pop(list);
        (item.is_some(), bytes_or_nil(item))
    })
}

fn end(args: Args<'_>, index: usize) -> Result<End, Refusal> {
    match args.word(index).as_str() {
        "LEFT" => Ok(End::Left),
        "RIGHT" => Ok(End::Right),
        _ => Err(Refusal::syntax()),
    }
}

fn lmove(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (from, to) = (args.key(0)?, args.key(1)?);
    let (take, put) = (end(args, 2)?, end(args, 3)?);
    // Looked at first: a target of another type must not cost the item.
    read(ks, to, now, |_: &List| ())?;
    let item = edit(ks, from, now, |list: &mut List| {
        let item = take.pop(list);
        (item.is_some(), item)
    })?;
    let Some(item) = item else {
        return Ok(Reply::Nil);
    };
    edit(ks, to, now, |list: &mut List| {
        put.push(list, item.clone());
        (true, Reply::Bytes(item))
    })
}

fn lset(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (index, item) = (args.int(1)?, args.bytes(2)?);
    edit(ks, args.key(0)?, now, |list: &mut List| {
        if list.is_empty() {
            return (false, Err(Refusal::new("no such key")));
        }
        let at = span(index, index, list.len());
        match list.range_mut(at).next() {
            Some(place) => {
                *place = item.to_vec();
                (true, Ok(Reply::Ok))
            }
            None => (false, Err(Refusal::new("index out of range"))),
        }
    })?
}

fn lrem(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (limit, item) = (args.int(1)?, args.bytes(2)?);
    edit(ks, args.key(0)?, now, |list: &mut List| {
        let at_most = match limit.unsigned_abs() {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let mut gone = 0;
        let mut keep = |other: &Bytes| {
            let hit = gone < at_most && other == item;
            gone += usize::from(hit);
            !hit
        };
        if limit < 0 {
            let mut reversed: List = list.drain(..).rev().filter(&mut keep).collect();
            list.extend(reversed.drain(..).rev());
        } else {
            list.retain(&mut keep);
        }
        (gone > 0, count(gone))
    })
}

fn ltrim(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (start, stop) = (args.int(1)?, args.int(2)?);
    edit(ks, args.key(0)?, now, |list: &mut List| {
        let keep = span(start, stop, list.len());
        list.truncate(keep.end);
        list.drain(..keep.start);
        (true, Reply::Ok)
    })
}
