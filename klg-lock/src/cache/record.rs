//! The bytes under a cached key: a head of fixed size that scripts read and change in place, then
//! tags, then the value.
//!
//! Times in the head are relative to the key's own TTL on the server, so that no clock but that one
//! is ever compared: what is left of an entry is `PTTL - extra`, of its freshness
//! `PTTL - extra - stale`, and a load holds its token while `PTTL > floor`.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;

/// The first byte occurs in no MessagePack and in no UTF-8, so that nothing else looks like an
/// entry; the second is the version of this format.
const MAGIC: [u8; 2] = [0xC1, 1];
/// Where the head ends. The scripts know these places too.
pub(crate) const HEAD: usize = 76;
const HAS_VALUE: u8 = 1;
const PACKING_SHIFT: u8 = 1;

/// A random name: of one stored value, of one load's right to store, of one epoch of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Nonce(pub(crate) [u8; 16]);

impl Nonce {
    /// No token.
    const ZERO: Self = Self([0; 16]);

    pub(crate) fn fresh() -> Self {
        let mut bytes = [0; 16];
        rand::rng().fill(&mut bytes);
        Self(bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// How the value's bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Zstd,
    Lz4,
}

impl Packing {
    fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => 1,
            Self::Lz4 => 2,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Plain, Self::Zstd, Self::Lz4]
            .into_iter()
            .find(|packing| packing.code() == code)
    }
}

/// What a writer says of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label {
    pub(crate) packing: Packing,
    /// Of the value's type and codec: a reader with another one does not try to decode.
    pub(crate) fingerprint: u64,
    /// How long after its freshness the value may still be served.
    pub(crate) stale: Duration,
    /// How long it took to load.
    pub(crate) load: Duration,
}

/// A tag, and the epoch in which the entry was loaded.
pub(crate) type Tagged<'a> = (&'a str, Nonce);

/// An entry as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    bytes: Bytes,
    /// Where the value begins.
    value_at: usize,
    packing: Packing,
    /// The head is whole, what follows is not: there is something to be replaced.
    damaged: bool,
}

/// A new entry.
pub(crate) fn write(label: &Label, tags: &[Tagged<'_>], value: &[u8]) -> Vec<u8> {
    let names: usize = tags.iter().map(|(name, _)| name.len() + 18).sum();
    let mut out = Vec::with_capacity(HEAD + 2 + names + value.len());
    let flags = HAS_VALUE | (label.packing.code() << PACKING_SHIFT);
    head(&mut out, flags, Nonce::fresh(), Nonce::ZERO, label);
    // Names and their number are bounded where requests are checked.
    out.extend(u16::try_from(tags.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (name, epoch) in tags {
        out.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(name.as_bytes());
        out.extend(epoch.0);
    }
    out.extend(value);
    out
}

/// What stands under a key while its first value is being loaded.
pub(crate) fn placeholder(token: Nonce) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD);
    let label = Label {
        packing: Packing::Plain,
        fingerprint: 0,
        stale: Duration::ZERO,
        load: Duration::ZERO,
    };
    head(&mut out, 0, token, token, &label);
    out
}

fn head(out: &mut Vec<u8>, flags: u8, stamp: Nonce, token: Nonce, label: &Label) {
    out.extend(MAGIC);
    out.extend([flags, 0]);
    out.extend(stamp.0);
    out.extend(token.0);
    out.extend(0_u64.to_be_bytes());
    out.extend(0_u64.to_be_bytes());
    out.extend(millis(label.stale).to_be_bytes());
    out.extend(micros(label.load).to_be_bytes());
    out.extend(label.fingerprint.to_be_bytes());
}

impl Record {
    /// Takes an entry apart; `None`: it is none, or of another version of the format.
    pub(crate) fn parse(bytes: Bytes) -> Option<Self> {
        if bytes.get(..2)? != MAGIC || bytes.len() < HEAD {
            return None;
        }
        let flags = *bytes.get(2)?;
        let packing = Packing::of(flags >> PACKING_SHIFT);
        let mut record = Self {
            value_at: HEAD,
            packing: packing.unwrap_or(Packing::Plain),
            damaged: packing.is_none(),
            bytes,
        };
        if record.has_value() {
            match record.end_of_tags() {
                Some(end) => record.value_at = end,
                None => record.damaged = true,
            }
        }
        Some(record)
    }

    fn end_of_tags(&self) -> Option<usize> {
        let mut walk = Walk(self.bytes.get(HEAD..)?);
        let before = walk.0.len();
        for _ in 0..walk.number()? {
            let length = walk.number()?;
            std::str::from_utf8(walk.take(length.into())?).ok()?;
            walk.take(16)?;
        }
        Some(HEAD + before - walk.0.len())
    }

    /// Whether there is a value, or only the mark of a load.
    pub(crate) fn has_value(&self) -> bool {
        self.bytes
            .get(2)
            .is_some_and(|flags| flags & HAS_VALUE != 0)
    }

    /// Whether there is a value that can be looked at.
    pub(crate) fn is_whole(&self) -> bool {
        self.has_value() && !self.damaged
    }

    /// The tags with their epochs.
    pub(crate) fn tags(&self) -> impl Iterator<Item = Tagged<'_>> {
        let end = self.value_at.max(HEAD);
        let mut walk = Walk(self.bytes.get(HEAD..end).unwrap_or_default());
        let count = walk.number().unwrap_or(0);
        (0..count).map_while(move |_| {
            let length = walk.number()?;
            let name = std::str::from_utf8(walk.take(length.into())?).ok()?;
            Some((name, Nonce::parse(walk.take(16)?)?))
        })
    }

    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// The value's bytes, packed as [`packing`](Self::packing) says.
    pub(crate) fn value(&self) -> Bytes {
        self.bytes.slice(self.value_at.min(self.bytes.len())..)
    }

    /// The name of this very value.
    pub(crate) fn stamp(&self) -> Nonce {
        self.nonce(4)
    }

    /// Whether somebody loads the value anew, as of a read that showed `pttl`.
    pub(crate) fn held(&self, pttl: Duration) -> bool {
        self.nonce(20) != Nonce::ZERO && pttl > self.floor()
    }

    /// The load's token ends when the key's TTL has come down to this.
    pub(crate) fn floor(&self) -> Duration {
        Duration::from_millis(self.integer(36))
    }

    /// By how much the key outlives its value, for the sake of a load's token.
    pub(crate) fn extra(&self) -> Duration {
        Duration::from_millis(self.integer(44))
    }

    pub(crate) fn stale(&self) -> Duration {
        Duration::from_millis(self.integer(52))
    }

    pub(crate) fn load(&self) -> Duration {
        Duration::from_micros(self.integer(60))
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.integer(68)
    }

    fn nonce(&self, at: usize) -> Nonce {
        let bytes = self.bytes.get(at..at + 16);
        bytes.and_then(Nonce::parse).unwrap_or(Nonce::ZERO)
    }

    fn integer(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..at + 8);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_be_bytes)
    }
}

/// What is left to be read.
struct Walk<'a>(&'a [u8]);

impl<'a> Walk<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }
}

/// Whole milliseconds, rounded up, as Redis takes a TTL.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The head by itself, as scripts see it; what the memory server does in the place of their `SETRANGE`.
pub(super) mod edit {
    use super::{HAS_VALUE, HEAD, MAGIC, Nonce};

    /// The head's changeable part.
    #[derive(Clone, Copy)]
    pub(crate) struct Head {
        pub(crate) has_value: bool,
        pub(crate) stamp: Nonce,
        pub(crate) token: Nonce,
        pub(crate) floor: u64,
        pub(crate) extra: u64,
    }

    /// Takes a head apart; `None`: it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
        if bytes.get(..2)? != MAGIC || bytes.len() < HEAD {
            return None;
        }
        let integer = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(Head {
            has_value: bytes.get(2)? & HAS_VALUE != 0,
            stamp: Nonce::parse(bytes.get(4..20)?)?,
            token: Nonce::parse(bytes.get(20..36)?)?,
            floor: integer(36)?,
            extra: integer(44)?,
        })
    }

    /// Puts token, floor and extra in their places.
    pub(crate) fn patch(bytes: &mut [u8], head: &Head) {
        let places: [(usize, &[u8]); 3] = [
            (20, &head.token.0),
            (36, &head.floor.to_be_bytes()),
            (44, &head.extra.to_be_bytes()),
        ];
        for (at, part) in places {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        }
    }

    impl Head {
        pub(crate) fn is_held(&self, pttl: u64) -> bool {
            self.token != Nonce::ZERO && pttl > self.floor
        }

        /// Whether it carries no load's token, not even one that has ended.
        pub(crate) fn is_free(&self) -> bool {
            self.token == Nonce::ZERO
        }

        pub(crate) fn free(&mut self) {
            self.token = Nonce::ZERO;
            self.floor = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            packing: Packing::Plain,
            fingerprint: 7,
            stale: Duration::from_secs(3600),
            load: Duration::from_micros(1500),
        }
    }

    #[test]
    fn an_entry_reads_as_it_was_written() {
        let epoch = Nonce::fresh();
        let bytes = write(&label(), &[("users", epoch), ("", epoch)], b"value");
        let record = Record::parse(bytes.into()).unwrap();
        assert!(record.has_value());
        assert_eq!(&record.value()[..], b"value");
        let tags: Vec<_> = record.tags().collect();
        assert_eq!(tags, [("users", epoch), ("", epoch)]);
        assert_eq!(record.stale(), Duration::from_secs(3600));
        assert_eq!(record.load(), Duration::from_micros(1500));
        assert_eq!(record.fingerprint(), 7);
        assert!(!record.held(Duration::from_secs(1)));
    }

    #[test]
    fn a_placeholder_is_held_and_has_no_value() {
        let record = Record::parse(placeholder(Nonce::fresh()).into()).unwrap();
        assert!(!record.has_value());
        assert!(record.held(Duration::from_millis(1)));
        assert!(record.value().is_empty());
        assert_eq!(record.tags().count(), 0);
    }

    #[test]
    fn whatever_else_stands_there_is_no_entry_and_no_panic() {
        let epoch = Nonce::fresh();
        let good = write(&label(), &[("users", epoch)], b"value");
        for end in 0..good.len() - b"value".len() {
            let cut = Record::parse(Bytes::copy_from_slice(&good[..end]));
            assert_eq!(cut.is_some(), end >= HEAD);
            assert!(cut.is_none_or(|record| !record.is_whole()));
        }
        for at in 0..good.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if let Some(record) = Record::parse(bad.into()) {
                    let _ = (record.value(), record.tags().count(), record.stamp());
                }
            }
        }
        assert!(Record::parse(Bytes::from_static(b"{\"json\":1}")).is_none());
    }
}
