//! Commands on hashes: fields with values under one key.

use std::collections::HashMap;

use super::commands;
use crate::store::Encode;

commands! {
    /// Stores a field; returns whether it is new.
    fn hset(key: &str, field: &str, value: impl Encode) -> bool
        = "HSET", key(key), word(field), value(value);

    /// Stores several fields; returns how many are new.
    fn hset_many(key: &str, fields: &[(impl AsRef<str>, impl Encode)]) -> u64
        = "HSET", key(key), fields(fields);

    /// Stores a field where there is none yet; returns whether it did.
    fn hset_nx(key: &str, field: &str, value: impl Encode) -> bool
        = "HSETNX", key(key), word(field), value(value);

    /// The value of a field, if there is one.
    fn hget[T](key: &str, field: &str) -> Option<T> = "HGET", key(key), word(field);

    /// The values of several fields, in their order.
    fn hmget[T](key: &str, fields: &[impl AsRef<str>]) -> Vec<Option<T>>
        = "HMGET", key(key), words(fields);

    /// All fields and their values; empty where there is no such key.
    fn hgetall[T](key: &str) -> HashMap<String, T> = "HGETALL", key(key);

    /// Deletes a field; returns whether it was there.
    fn hdel(key: &str, field: &str) -> bool = "HDEL", key(key), word(field);

    /// Deletes several fields; returns how many were there.
    fn hdel_many(key: &str, fields: &[impl AsRef<str>]) -> u64 = "HDEL", key(key), words(fields);

    /// Whether there is such a field.
    fn hexists(key: &str, field: &str) -> bool = "HEXISTS", key(key), word(field);

    /// How many fields there are.
    fn hlen(key: &str) -> u64 = "HLEN", key(key);

    /// The names of all fields.
    fn hkeys(key: &str) -> Vec<String> = "HKEYS", key(key);

    /// The values of all fields.
    fn hvals[T](key: &str) -> Vec<T> = "HVALS", key(key);

    /// Adds to a field that is a counter, which begins at 0; returns what it is now.
    fn hincr_by(key: &str, field: &str, by: i64) -> i64
        = "HINCRBY", key(key), word(field), int(by);

    /// Adds to a field that need not be whole, which begins at 0; returns what it is now.
    fn hincr_by_float(key: &str, field: &str, by: f64) -> f64
        = "HINCRBYFLOAT", key(key), word(field), float(by);
}
