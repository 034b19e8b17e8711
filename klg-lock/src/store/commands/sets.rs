//! Commands on sets.

use super::commands;
use crate::store::Encode;

commands! {
    /// Adds a member; returns whether it is new.
    fn sadd(key: &str, member: impl Encode) -> bool = "SADD", key(key), value(member);

    /// Adds members; returns how many are new.
    fn sadd_many(key: &str, members: &[impl Encode]) -> u64 = "SADD", key(key), values(members);

    /// Removes a member; returns whether it was one.
    fn srem(key: &str, member: impl Encode) -> bool = "SREM", key(key), value(member);

    /// Removes members; returns how many were some.
    fn srem_many(key: &str, members: &[impl Encode]) -> u64 = "SREM", key(key), values(members);

    /// All members, in no order.
    fn smembers[T](key: &str) -> Vec<T> = "SMEMBERS", key(key);

    /// Whether this is a member.
    fn sismember(key: &str, member: impl Encode) -> bool = "SISMEMBER", key(key), value(member);

    /// Which of these are members, in their order.
    fn smismember(key: &str, members: &[impl Encode]) -> Vec<bool>
        = "SMISMEMBER", key(key), values(members);

    /// How many members there are.
    fn scard(key: &str) -> u64 = "SCARD", key(key);

    /// Takes any member away.
    fn spop[T](key: &str) -> Option<T> = "SPOP", key(key);

    /// Any member.
    fn srandmember[T](key: &str) -> Option<T> = "SRANDMEMBER", key(key);

    /// Moves a member to another set; returns whether it was one.
    ///
    /// On a cluster both keys must be in one slot: give them the same `{tag}`.
    fn smove(from: &str, to: &str, member: impl Encode) -> bool
        = "SMOVE", key(from), key(to), value(member);

    /// What is in all of these sets. On a cluster they must be in one slot.
    fn sinter[T](keys: &[impl AsRef<str>]) -> Vec<T> = "SINTER", keys(keys);

    /// What is in any of these sets. On a cluster they must be in one slot.
    fn sunion[T](keys: &[impl AsRef<str>]) -> Vec<T> = "SUNION", keys(keys);

    /// What is in the first of these sets and in none of the others. On a cluster they must be in
    /// one slot.
    fn sdiff[T](keys: &[impl AsRef<str>]) -> Vec<T> = "SDIFF", keys(keys);
}
