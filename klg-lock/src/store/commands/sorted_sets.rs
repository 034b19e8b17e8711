//! Commands on sorted sets: members with a score, in its order. Ranks count from 0, and from -1
//! backwards from the end.

use std::ops::{Bound, RangeBounds};

use super::commands;
use crate::store::Encode;

/// The lower bound as Redis writes it.
fn min(range: &impl RangeBounds<f64>) -> String {
    bound(range.start_bound(), "-inf")
}

/// The upper bound as Redis writes it.
fn max(range: &impl RangeBounds<f64>) -> String {
    bound(range.end_bound(), "+inf")
}

fn bound(bound: Bound<&f64>, unbounded: &str) -> String {
    match bound {
        Bound::Included(score) => score.to_string(),
        Bound::Excluded(score) => format!("({score}"),
        Bound::Unbounded => unbounded.to_owned(),
    }
}

commands! {
    /// Adds a member, or gives it another score; returns whether it is new.
    fn zadd(key: &str, member: impl Encode, score: f64) -> bool
        = "ZADD", key(key), float(score), value(member);

    /// Adds members with their scores; returns how many are new.
    fn zadd_many(key: &str, members: &[(impl Encode, f64)]) -> u64
        = "ZADD", key(key), scores(members);

    /// Removes a member; returns whether it was one.
    fn zrem(key: &str, member: impl Encode) -> bool = "ZREM", key(key), value(member);

    /// Removes members; returns how many were some.
    fn zrem_many(key: &str, members: &[impl Encode]) -> u64 = "ZREM", key(key), values(members);

    /// A member's score.
    fn zscore(key: &str, member: impl Encode) -> Option<f64> = "ZSCORE", key(key), value(member);

    /// Adds to a member's score, which begins at 0; returns what it is now.
    fn zincr_by(key: &str, member: impl Encode, by: f64) -> f64
        = "ZINCRBY", key(key), float(by), value(member);

    /// How many members there are.
    fn zcard(key: &str) -> u64 = "ZCARD", key(key);

    /// How many members have a score in this range.
    fn zcount(key: &str, scores: impl RangeBounds<f64>) -> u64
        = "ZCOUNT", key(key), word(&min(&scores)), word(&max(&scores));

    /// How many members have a lower score than this one.
    fn zrank(key: &str, member: impl Encode) -> Option<u64> = "ZRANK", key(key), value(member);

    /// How many members have a higher score than this one.
    fn zrevrank(key: &str, member: impl Encode) -> Option<u64>
        = "ZREVRANK", key(key), value(member);

    /// The members from one rank to another, both included: `0, -1` is all of them.
    fn zrange[T](key: &str, start: i64, stop: i64) -> Vec<T>
        = "ZRANGE", key(key), int(start), int(stop);

    /// As [`zrange`](Self::zrange), with the scores.
    fn zrange_with_scores[T](key: &str, start: i64, stop: i64) -> Vec<(T, f64)>
        = "ZRANGE", key(key), int(start), int(stop), word("WITHSCORES");

    /// As [`zrange`](Self::zrange), the highest score first.
    fn zrevrange[T](key: &str, start: i64, stop: i64) -> Vec<T>
        = "ZREVRANGE", key(key), int(start), int(stop);

    /// As [`zrevrange`](Self::zrevrange), with the scores.
    fn zrevrange_with_scores[T](key: &str, start: i64, stop: i64) -> Vec<(T, f64)>
        = "ZREVRANGE", key(key), int(start), int(stop), word("WITHSCORES");

    /// The members with a score in this range, such as `1.0..=2.0` or `..`.
    fn zrange_by_score[T](key: &str, scores: impl RangeBounds<f64>) -> Vec<T>
        = "ZRANGEBYSCORE", key(key), word(&min(&scores)), word(&max(&scores));

    /// As [`zrange_by_score`](Self::zrange_by_score), with the scores.
    fn zrange_by_score_with_scores[T](key: &str, scores: impl RangeBounds<f64>) -> Vec<(T, f64)>
        = "ZRANGEBYSCORE", key(key), word(&min(&scores)), word(&max(&scores)), word("WITHSCORES");

    /// Removes the members with a score in this range; returns how many there were.
    fn zrem_range_by_score(key: &str, scores: impl RangeBounds<f64>) -> u64
        = "ZREMRANGEBYSCORE", key(key), word(&min(&scores)), word(&max(&scores));

    /// Removes the members from one rank to another, both included; returns how many there were.
    fn zrem_range_by_rank(key: &str, start: i64, stop: i64) -> u64
        = "ZREMRANGEBYRANK", key(key), int(start), int(stop);

    /// Takes the member with the lowest score away.
    fn zpop_min[T](key: &str) -> Option<(T, f64)> = "ZPOPMIN", key(key);

    /// Takes the member with the highest score away.
    fn zpop_max[T](key: &str) -> Option<(T, f64)> = "ZPOPMAX", key(key);
}
