//! Commands on sorted sets.

use std::collections::BTreeMap;

use super::{Args, Outcome, Refusal, Reply, count, edit, read, span};
use crate::memory::Keyspace;
use crate::memory::clock::Micros;
use crate::memory::value::Bytes;

type Scores = BTreeMap<Bytes, f64>;

pub(super) fn run(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Option<Outcome> {
    Some(match args.name {
        "ZADD" => zadd(ks, args, now),
        "ZREM" => zrem(ks, args, now),
        "ZSCORE" => zscore(ks, args, now),
        "ZINCRBY" => zincrby(ks, args, now),
        "ZCARD" => look(ks, args, now, |scores| Ok(count(scores.len()))),
        "ZCOUNT" => look(ks, args, now, |scores| {
            let range = Range::read(args, 1, 2)?;
            Ok(count(
                scores.values().filter(|score| range.has(**score)).count(),
            ))
        }),
        "ZRANK" => rank(ks, args, now, false),
        "ZREVRANK" => rank(ks, args, now, true),
        "ZRANGE" => range(ks, args, now, false),
        "ZREVRANGE" => range(ks, args, now, true),
        "ZRANGEBYSCORE" => range_by_score(ks, args, now, false),
        "ZREVRANGEBYSCORE" => range_by_score(ks, args, now, true),
        "ZREMRANGEBYSCORE" => rem_range_by_score(ks, args, now),
        "ZREMRANGEBYRANK" => rem_range_by_rank(ks, args, now),
        "ZPOPMIN" => pop(ks, args, now, false),
        "ZPOPMAX" => pop(ks, args, now, true),
        _ => return None,
    })
}

fn look(
    ks: &mut Keyspace,
    args: Args<'_>,
    now: Micros,
    look: impl FnOnce(&Scores) -> Outcome,
) -> Outcome {
    read(ks, args.key(0)?, now, look)?
}

/// The members by score, and those of one score by name.
fn ranked(scores: &Scores, reverse: bool) -> Vec<(&Bytes, f64)> {
    let mut ranked: Vec<_> = scores
        .iter()
        .map(|(member, score)| (member, *score))
        .collect();
    // By name they are already, and the sort keeps that.
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    if reverse {
        ranked.reverse();
    }
    ranked
}

fn members<'a>(
    members: impl IntoIterator<Item = &'a (&'a Bytes, f64)>,
    with_scores: bool,
) -> Reply {
    let mut reply = Vec::new();
    for (member, score) in members {
        reply.push(Reply::Bytes((*member).clone()));
        if with_scores {
            reply.push(Reply::Double(*score));
        }
    }
    Reply::List(reply)
}

/// From one score to another; a `(` before a bound leaves it out.
struct Range {
    min: (f64, bool),
    max: (f64, bool),
}

impl Range {
    fn read(args: Args<'_>, min: usize, max: usize) -> Result<Self, Refusal> {
        let bound = |index| {
            let text = args.bytes(index)?;
            let (text, open) = match text.strip_prefix(b"(") {
                Some(text) => (text, true),
                None => (text, false),
            };
            let score = super::float(text);
            score
                .map(|score| (score, open))
                .ok_or_else(|| Refusal::new("min or max is not a float"))
        };
        Ok(Self {
            min: bound(min)?,
            max: bound(max)?,
        })
    }

    fn has(&self, score: f64) -> bool {
        let above = score > self.min.0 || (score == self.min.0 && !self.min.1);
        let below = score < self.max.0 || (score == self.max.0 && !self.max.1);
        above && below
    }
}

fn zadd(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    if args.len() < 3 || args.len().is_multiple_of(2) {
        return args.bytes(args.len()).map(|_| Reply::Nil);
    }
    let mut pairs = Vec::new();
    for at in (1..args.len()).step_by(2) {
        pairs.push((args.float(at)?, args.bytes(at + 1)?));
    }
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let before = scores.len();
        for (score, member) in pairs {
            scores.insert(member.to_vec(), score);
        }
        (true, count(scores.len() - before))
    })
}

fn zrem(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    args.bytes(1)?;
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let members = args.from(1).iter();
        let gone = members
            .filter(|member| scores.remove(*member).is_some())
            .count();
        (gone > 0, count(gone))
    })
}

fn zscore(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let member = args.bytes(1)?;
    look(ks, args, now, |scores| {
        Ok(scores
            .get(member)
            .map_or(Reply::Nil, |score| Reply::Double(*score)))
    })
}

fn zincrby(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (by, member) = (args.float(1)?, args.bytes(2)?);
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let after = scores.get(member).copied().unwrap_or(0.0) + by;
        if after.is_nan() {
            return (
                false,
                Err(Refusal::new("resulting score is not a number (NaN)")),
            );
        }
        scores.insert(member.to_vec(), after);
        (true, Ok(Reply::Double(after)))
    })?
}

fn rank(ks: &mut Keyspace, args: Args<'_>, now: Micros, reverse: bool) -> Outcome {
    let member = args.bytes(1)?;
    look(ks, args, now, |scores| {
        let rank = ranked(scores, reverse)
            .iter()
            .position(|(other, _)| *other == member);
        Ok(rank.map_or(Reply::Nil, count))
    })
}

fn range(ks: &mut Keyspace, args: Args<'_>, now: Micros, reverse: bool) -> Outcome {
    let (start, stop) = (args.int(1)?, args.int(2)?);
    let with_scores = with_scores(args, 3)?;
    look(ks, args, now, |scores| {
        let ranked = ranked(scores, reverse);
        let range = span(start, stop, ranked.len());
        Ok(members(&ranked[range], with_scores))
    })
}

fn with_scores(args: Args<'_>, index: usize) -> Result<bool, Refusal> {
    match args.word(index).as_str() {
        "" => Ok(false),
        "WITHSCORES" => Ok(true),
        _ => Err(Refusal::syntax()),
    }
}

fn range_by_score(ks: &mut Keyspace, args: Args<'_>, now: Micros, reverse: bool) -> Outcome {
    // Backwards the larger bound comes first.
    let range = if reverse {
        Range::read(args, 2, 1)?
    } else {
        Range::read(args, 1, 2)?
    };
    let with_scores = with_scores(args, 3)?;
    look(ks, args, now, |scores| {
        let ranked = ranked(scores, reverse);
        Ok(members(
            ranked.iter().filter(|(_, score)| range.has(*score)),
            with_scores,
        ))
    })
}

fn rem_range_by_score(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let range = Range::read(args, 1, 2)?;
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let before = scores.len();
        scores.retain(|_, score| !range.has(*score));
        let gone = before - scores.len();
        (gone > 0, count(gone))
    })
}

fn rem_range_by_rank(ks: &mut Keyspace, args: Args<'_>, now: Micros) -> Outcome {
    let (start, stop) = (args.int(1)?, args.int(2)?);
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let ranked = ranked(scores, false);
        let range = span(start, stop, ranked.len());
        let gone: Vec<Bytes> = ranked[range]
            .iter()
            .map(|(member, _)| (*member).clone())
            .collect();
        for member in &gone {
            scores.remove(member);
        }
        (!gone.is_empty(), count(gone.len()))
    })
}

fn pop(ks: &mut Keyspace, args: Args<'_>, now: Micros, max: bool) -> Outcome {
    edit(ks, args.key(0)?, now, |scores: &mut Scores| {
        let first = ranked(scores, max)
            .first()
            .map(|(member, score)| ((*member).clone(), *score));
        let Some((member, score)) = first else {
            return (false, Reply::List(Vec::new()));
        };
        scores.remove(&member);
        (
            true,
            Reply::List(vec![Reply::Bytes(member), Reply::Double(score)]),
        )
    })
}
