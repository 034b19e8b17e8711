//! Commands on strings and counters.

use std::time::Duration;

use super::commands;
use crate::store::Encode;

commands! {
    /// The value under a key, if there is one.
    fn get[T](key: &str) -> Option<T> = "GET", key(key);

    /// The values under several keys, in their order.
    fn mget[T](keys: &[impl AsRef<str>]) -> Vec<Option<T>> = "MGET", keys(keys);

    /// Stores a value; the key loses any expiry it had.
    fn set(key: &str, value: impl Encode) -> () = "SET", key(key), value(value);

    /// Stores a value that expires.
    fn set_ex(key: &str, value: impl Encode, ttl: Duration) -> ()
        = "SET", key(key), value(value), word("PX"), ttl(ttl);

    /// Stores a value and leaves the key's expiry as it is.
    fn set_keep_ttl(key: &str, value: impl Encode) -> ()
        = "SET", key(key), value(value), word("KEEPTTL");

    /// Stores a value where there is none yet; returns whether it did.
    ///
    /// This is no lock: a lock can be lost, and tells you so.
    fn set_nx(key: &str, value: impl Encode) -> bool
        = "SET", key(key), value(value), word("NX");

    /// Stores a value that expires where there is none yet; returns whether it did.
    fn set_nx_ex(key: &str, value: impl Encode, ttl: Duration) -> bool
        = "SET", key(key), value(value), word("PX"), ttl(ttl), word("NX");

    /// Replaces a value that is there; returns whether one was.
    fn set_xx(key: &str, value: impl Encode) -> bool
        = "SET", key(key), value(value), word("XX");

    /// Stores several values, all at once.
    fn mset(pairs: &[(impl AsRef<str>, impl Encode)]) -> () = "MSET", key_values(pairs);

    /// Stores a value and returns the one it takes the place of.
    fn get_set[T](key: &str, value: impl Encode) -> Option<T>
        = "SET", key(key), value(value), word("GET");

    /// Deletes a key and returns the value it had.
    fn get_del[T](key: &str) -> Option<T> = "GETDEL", key(key);

    /// The value under a key, which from now on lives for `ttl`.
    fn get_ex[T](key: &str, ttl: Duration) -> Option<T>
        = "GETEX", key(key), word("PX"), ttl(ttl);

    /// Adds to the end of a string; returns its new length in bytes.
    fn append(key: &str, value: impl Encode) -> u64 = "APPEND", key(key), value(value);

    /// The length of a string in bytes; 0 where there is none.
    fn strlen(key: &str) -> u64 = "STRLEN", key(key);

    /// Adds 1 to a counter, which begins at 0; returns what it is now.
    fn incr(key: &str) -> i64 = "INCR", key(key);

    /// Adds to a counter, which begins at 0; returns what it is now.
    fn incr_by(key: &str, by: i64) -> i64 = "INCRBY", key(key), int(by);

    /// Takes 1 from a counter, which begins at 0; returns what it is now.
    fn decr(key: &str) -> i64 = "DECR", key(key);

    /// Takes from a counter, which begins at 0; returns what it is now.
    fn decr_by(key: &str, by: i64) -> i64 = "DECRBY", key(key), int(by);

    /// Adds to a number that need not be whole, which begins at 0; returns what it is now.
    fn incr_by_float(key: &str, by: f64) -> f64 = "INCRBYFLOAT", key(key), float(by);
}
