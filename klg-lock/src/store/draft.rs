//! A command while it is written: every key gets the prefix here, and nowhere else.

use std::io::Write as _;
use std::time::Duration;

use redis::{Cmd, RedisWrite, ToRedisArgs, ToSingleRedisArg};

use super::value::{CodecError, Encode};

/// What most commands have room in without growing.
const WORDS: usize = 4;
const BYTES: usize = 128;

/// A command to be sent.
pub(crate) struct Draft<'p> {
    prefix: &'p str,
    cmd: Cmd,
    /// The keys without the prefix, for errors.
    keys: String,
    /// What is wrong with an argument.
    fault: Option<CodecError>,
}

/// A command that is ready, with the keys it is about.
pub(crate) struct Ready {
    pub(crate) cmd: Cmd,
    pub(crate) keys: String,
    pub(crate) fault: Option<CodecError>,
}

impl<'p> Draft<'p> {
    pub(crate) fn new(prefix: &'p str, word: &str) -> Self {
        let mut cmd = Cmd::with_capacity(WORDS, BYTES);
        cmd.arg(word);
        Self {
            prefix,
            cmd,
            keys: String::new(),
            fault: None,
        }
    }

    pub(crate) fn ready(self) -> Ready {
        Ready {
            cmd: self.cmd,
            keys: self.keys,
            fault: self.fault,
        }
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        if !self.keys.is_empty() {
            self.keys.push_str(", ");
        }
        self.keys.push_str(key);
        if self.prefix.is_empty() {
            self.cmd.arg(key);
        } else {
            self.cmd.arg(Prefixed(self.prefix, key));
        }
        self
    }

    pub(crate) fn keys<K: AsRef<str>>(mut self, keys: &[K]) -> Self {
        if keys.is_empty() {
            self.fault = Some("no key is given; give at least one".into());
        }
        for key in keys {
            self = self.key(key.as_ref());
        }
        self
    }

    /// An option, or a name that is no key.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.cmd.arg(word);
        self
    }

    pub(crate) fn int(mut self, number: i64) -> Self {
        self.cmd.arg(number);
        self
    }

    pub(crate) fn float(mut self, number: f64) -> Self {
        if number.is_nan() {
            self.fault = Some("NaN is no number that Redis takes".into());
        }
        self.cmd.arg(number);
        self
    }

    pub(crate) fn value<V: Encode>(mut self, value: V) -> Self {
        match value.encode() {
            Ok(bytes) => {
                self.cmd.arg(&*bytes);
            }
            Err(fault) => self.fault = Some(fault),
        }
        self
    }

    pub(crate) fn values<V: Encode>(mut self, values: &[V]) -> Self {
        if values.is_empty() {
            self.fault = Some("no value is given; give at least one".into());
        }
        for value in values {
            self = self.value(value);
        }
        self
    }

    pub(crate) fn words<W: AsRef<str>>(mut self, words: &[W]) -> Self {
        if words.is_empty() {
            self.fault = Some("no field is given; give at least one".into());
        }
        for word in words {
            self = self.word(word.as_ref());
        }
        self
    }

    pub(crate) fn key_values<K: AsRef<str>, V: Encode>(mut self, pairs: &[(K, V)]) -> Self {
        if pairs.is_empty() {
            self.fault = Some("no key is given; give at least one".into());
        }
        for (key, value) in pairs {
            self = self.key(key.as_ref()).value(value);
        }
        self
    }

    pub(crate) fn fields<F: AsRef<str>, V: Encode>(mut self, fields: &[(F, V)]) -> Self {
        if fields.is_empty() {
            self.fault = Some("no field is given; give at least one".into());
        }
        for (field, value) in fields {
            self = self.word(field.as_ref()).value(value);
        }
        self
    }

    pub(crate) fn scores<V: Encode>(mut self, members: &[(V, f64)]) -> Self {
        if members.is_empty() {
            self.fault = Some("no member is given; give at least one".into());
        }
        for (member, score) in members {
            self = self.float(*score).value(member);
        }
        self
    }

    /// A TTL in milliseconds, rounded up.
    pub(crate) fn ttl(mut self, ttl: Duration) -> Self {
        let millis = ttl.as_nanos().div_ceil(1_000_000);
        match i64::try_from(millis) {
            Ok(0) => self.fault = Some("a TTL of 0 is none; delete the key instead".into()),
            // Redis adds the time of day, and takes no more than 64 bits.
            Ok(millis) if millis < i64::MAX / 2 => {
                self.cmd.arg(millis);
            }
            _ => self.fault = Some("the TTL is too long; let the key live for ever instead".into()),
        }
        self
    }
}

/// A key behind its prefix.
struct Prefixed<'a>(&'a str, &'a str);

impl ToRedisArgs for Prefixed<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut writer = out.writer_for_next_arg();
        // A command is written to memory, which does not fail.
        let _ = writer.write_all(self.0.as_bytes());
        let _ = writer.write_all(self.1.as_bytes());
    }
}

impl ToSingleRedisArg for Prefixed<'_> {}
