//! Commands on sets.

use std::collections::BTreeSet;

use super::{Args, Outcome, Reply, bytes_or_nil, count, edit, flag, key, list, read};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::value::Bytes;

type Set = BTreeSet<Bytes>;

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "SADD" => change(ks, args, now, |set, member| set.insert(member.clone())),
        "SREM" => change(ks, args, now, |set, member| set.remove(member)),
        "SMEMBERS" => look(ks, args, now, |set| list(set)),
        "SISMEMBER" => args
            .bytes(1)
            .and_then(|member| look(ks, args, now, |set| flag(set.contains(member)))),
        "SMISMEMBER" => args.bytes(1).and_then(|_| {
            look(ks, args, now, |set| {
                let members = args.from(1).iter();
                Reply::List(members.map(|member| flag(set.contains(member))).collect())
            })
        }),
        "SCARD" => look(ks, args, now, |set| count(set.len())),
        "SPOP" => args.key(0).and_then(|key| {
            edit(ks, key, now, |set: &mut Set| {
                let member = set.pop_first();
                (member.is_some(), bytes_or_nil(member))
            })
        }),
        "SRANDMEMBER" => look(ks, args, now, |set| bytes_or_nil(set.first().cloned())),
        "SMOVE" => smove(ks, args, now),
        "SINTER" => combine(ks, args, now, |a, b| a.intersection(b).cloned().collect()),
        "SUNION" => combine(ks, args, now, |a, b| a.union(b).cloned().collect()),
        "SDIFF" => combine(ks, args, now, |a, b| a.difference(b).cloned().collect()),
        _ => return None,
    })
}

fn look(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    look: impl FnOnce(&Set) -> Reply,
) -> Outcome {
    read(ks, args.key(0)?, now, look)
}

fn change(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    mut does: impl FnMut(&mut Set, &Bytes) -> bool,
) -> Outcome {
    args.bytes(1)?;
    edit(ks, args.key(0)?, now, |set: &mut Set| {
        let members = args.from(1).iter();
        let changed = members.filter(|member| does(set, member)).count();
        (changed > 0, count(changed))
    })
}

fn smove(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (from, to, member) = (args.key(0)?, args.key(1)?, args.bytes(2)?);
    // Looked at first: a target of another type must not cost the member.
    read(ks, to, now, |_: &Set| ())?;
    let moved = edit(ks, from, now, |set: &mut Set| {
        let moved = set.remove(member);
        (moved, moved)
    })?;
    if moved {
        edit(ks, to, now, |set: &mut Set| {
            (set.insert(member.to_vec()), ())
        })?;
    }
    Ok(flag(moved))
}

fn combine(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    two: impl Fn(&Set, &Set) -> Set,
) -> Outcome {
    let mut result = read(ks, args.key(0)?, now, Set::clone)?;
    for other in args.from(1) {
        result = read(ks, key(other)?, now, |other: &Set| two(&result, other))?;
    }
    Ok(list(&result))
}
