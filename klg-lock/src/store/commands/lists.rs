//! Commands on lists. Positions count from 0, and from -1 backwards from the end.

use super::commands;
use crate::store::Encode;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The beginning.
    Left,
    /// The end.
    Right,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Left => "LEFT",
            Self::Right => "RIGHT",
        }
    }
}

commands! {
    /// Puts a value before a list's first; returns how long the list is now.
    fn lpush(key: &str, value: impl Encode) -> u64 = "LPUSH", key(key), value(value);

    /// Puts values before a list's first, one by one, so that the last of them comes first;
    /// returns how long the list is now.
    fn lpush_many(key: &str, values: &[impl Encode]) -> u64 = "LPUSH", key(key), values(values);

    /// Puts a value behind a list's last; returns how long the list is now.
    fn rpush(key: &str, value: impl Encode) -> u64 = "RPUSH", key(key), value(value);

    /// Puts values behind a list's last; returns how long the list is now.
    fn rpush_many(key: &str, values: &[impl Encode]) -> u64 = "RPUSH", key(key), values(values);

    /// Takes a list's first value away.
    fn lpop[T](key: &str) -> Option<T> = "LPOP", key(key);

    /// Takes a list's last value away.
    fn rpop[T](key: &str) -> Option<T> = "RPOP", key(key);

    /// Takes a value from one side of a list and puts it on one side of another; returns it.
    ///
    /// On a cluster both keys must be in one slot: give them the same `{tag}`.
    fn lmove[T](from: &str, to: &str, take: Side, put: Side) -> Option<T>
        = "LMOVE", key(from), key(to), word(take.word()), word(put.word());

    /// How long a list is; 0 where there is none.
    fn llen(key: &str) -> u64 = "LLEN", key(key);

    /// The value at a position.
    fn lindex[T](key: &str, index: i64) -> Option<T> = "LINDEX", key(key), int(index);

    /// The values from one position to another, both included: `0, -1` is the whole list.
    fn lrange[T](key: &str, start: i64, stop: i64) -> Vec<T>
        = "LRANGE", key(key), int(start), int(stop);

    /// Replaces the value at a position; an error if there is no such position.
    fn lset(key: &str, index: i64, value: impl Encode) -> ()
        = "LSET", key(key), int(index), value(value);

    /// Deletes the first `count` values that equal this one, the last where `count` is negative,
    /// all where it is 0; returns how many there were.
    fn lrem(key: &str, count: i64, value: impl Encode) -> u64
        = "LREM", key(key), int(count), value(value);

    /// Deletes what is not between two positions, both included.
    fn ltrim(key: &str, start: i64, stop: i64) -> () = "LTRIM", key(key), int(start), int(stop);
}
