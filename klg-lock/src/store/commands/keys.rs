//! Commands on keys of any type: existence, expiry, names; and on channels.

use std::time::Duration;

use super::commands;
use crate::store::{Encode, Expiry};

commands! {
    /// Deletes a key; returns whether it was there.
    fn del(key: &str) -> bool = "DEL", key(key);

    /// Deletes several keys; returns how many were there.
    fn del_many(keys: &[impl AsRef<str>]) -> u64 = "DEL", keys(keys);

    /// Whether there is such a key.
    fn exists(key: &str) -> bool = "EXISTS", key(key);

    /// How many of these keys there are.
    fn exists_many(keys: &[impl AsRef<str>]) -> u64 = "EXISTS", keys(keys);

    /// From now on a key lives for `ttl`; returns whether it was there.
    fn expire(key: &str, ttl: Duration) -> bool = "PEXPIRE", key(key), ttl(ttl);

    /// Takes a key's expiry away; returns whether it had one.
    fn persist(key: &str) -> bool = "PERSIST", key(key);

    /// How much longer a key lives.
    fn ttl(key: &str) -> Expiry = "PTTL", key(key);

    /// Gives a key another name, and overwrites what has that name; an error if there is none.
    ///
    /// On a cluster both names must be in one slot: give them the same `{tag}`.
    fn rename(from: &str, to: &str) -> () = "RENAME", key(from), key(to);

    /// Sends a message to whoever listens to a channel; returns how many subscriptions it reached.
    ///
    /// On a cluster only those on the same server are counted.
    fn publish(channel: &str, message: impl Encode) -> u64
        = "PUBLISH", key(channel), value(message);
}
