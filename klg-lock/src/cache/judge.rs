//! What an entry is worth: fresh, stale, being loaded, or nothing; and when it is refreshed early.

use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, RngExt};

use super::backend::Sighting;
use super::packing::unpack;
use super::record::{Nonce, Record};

/// A value that can be served, encoded and unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Bytes,
    /// Names this very value.
    pub(crate) stamp: Nonce,
}

/// What was seen under a key, judged.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Served; fresh for `left`, and took `load` to load.
    Fresh {
        found: Found,
        left: Duration,
        grace: Duration,
        load: Duration,
        held: bool,
    },
    /// Served for `grace` at most, while somebody loads it anew; `held`: somebody does.
    Stale {
        found: Found,
        grace: Duration,
        held: bool,
    },
    /// Nothing to serve; somebody loads it, and has `left` to say so again.
    Held { left: Duration },
    /// Nothing to serve; `seen`: what is there is to be replaced.
    Missing { seen: Option<Nonce> },
}

/// What a reader makes of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    pub(crate) fingerprint: u64,
    /// A value that turned out not to decode.
    pub(crate) rejected: Option<Nonce>,
}

/// Takes a sighting apart, as far as it is an entry.
pub(crate) fn record(sighting: &Sighting) -> Option<Record> {
    Record::parse(sighting.bytes.clone()?)
}

/// Judges an entry. `valid`: whether none of its tags has been evicted since it was loaded.
pub(crate) fn judge(
    record: Option<&Record>,
    pttl: Duration,
    valid: bool,
    reader: Reader,
) -> Verdict {
    let Some(record) = record.filter(|_| !pttl.is_zero()) else {
        return Verdict::Missing { seen: None };
    };
    let held = record.held(pttl);
    let grace = pttl.saturating_sub(record.extra());
    let usable = record.is_whole()
        && valid
        && !grace.is_zero()
        && record.fingerprint() == reader.fingerprint
        && reader.rejected != Some(record.stamp());
    let value = usable.then(|| unpack(record.packing(), record.value()));
    let Some(value) = value.flatten() else {
        // Held beside a value that is of no use to this reader: the load under way may be.
        return if held {
            let left = pttl.saturating_sub(record.floor());
            Verdict::Held { left }
        } else {
            let seen = record.has_value().then(|| record.stamp());
            Verdict::Missing { seen }
        };
    };
    let found = Found {
        value,
        stamp: record.stamp(),
    };
    let left = grace.saturating_sub(record.stale());
    if left.is_zero() {
        Verdict::Stale { found, grace, held }
    } else {
        Verdict::Fresh {
            found,
            left,
            grace,
            load: record.load(),
            held,
        }
    }
}

/// How long before its expiry a value is refreshed by whoever draws this: `load × beta × -ln(u)`,
/// u uniform in (0, 1] (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede
/// Prevention", 2015). The hotter a key, the more draws, and the earlier the first that is due.
pub(crate) fn early(load: Duration, beta: f64, rng: &mut impl Rng) -> Duration {
    if beta <= 0.0 || load.is_zero() {
        return Duration::ZERO;
    }
    let u: f64 = rng.random();
    // From [0, 1) to (0, 1], whose logarithm is finite.
    let factor = beta * -(1.0 - u).ln();
    Duration::try_from_secs_f64(load.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Shortens a TTL by up to `share` of itself, so that what was stored together does not expire
/// together.
pub(crate) fn jittered(ttl: Duration, share: f64, rng: &mut impl Rng) -> Duration {
    if share <= 0.0 {
        return ttl;
    }
    ttl.mul_f64(1.0 - share * rng.random::<f64>())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::cache::record::{self, Label, Packing};

    const READER: Reader = Reader {
        fingerprint: 7,
        rejected: None,
    };

    fn entry(stale: u64) -> Record {
        let label = Label {
            packing: Packing::Plain,
            fingerprint: 7,
            stale: Duration::from_secs(stale),
            load: Duration::ZERO,
        };
        Record::parse(record::write(&label, &[], b"v").into()).unwrap()
    }

    fn of(record: &Record, seconds: u64, valid: bool, reader: Reader) -> Verdict {
        judge(Some(record), Duration::from_secs(seconds), valid, reader)
    }

    #[test]
    fn an_entry_is_fresh_then_stale_then_nothing() {
        let entry = entry(10);
        assert!(matches!(
            of(&entry, 15, true, READER),
            Verdict::Fresh { left, .. } if left == Duration::from_secs(5)
        ));
        assert!(matches!(
            of(&entry, 10, true, READER),
            Verdict::Stale { .. }
        ));
        assert!(matches!(
            of(&entry, 0, true, READER),
            Verdict::Missing { seen: None }
        ));
    }

    #[test]
    fn what_cannot_be_read_is_to_be_replaced() {
        let entry = entry(0);
        let seen = Some(entry.stamp());
        for (valid, fingerprint, rejected) in [(false, 7, None), (true, 8, None), (true, 7, seen)] {
            let reader = Reader {
                fingerprint,
                rejected,
            };
            let verdict = of(&entry, 5, valid, reader);
            assert!(matches!(verdict, Verdict::Missing { seen: s } if s == seen));
        }
    }

    #[test]
    fn early_refresh_comes_earlier_the_slower_the_load_and_never_where_it_is_off() {
        let mut rng = SmallRng::seed_from_u64(1);
        let load = Duration::from_millis(100);
        let mut mean = |beta| -> Duration {
            (0..10_000)
                .map(|_| early(load, beta, &mut rng))
                .sum::<Duration>()
                / 10_000
        };
        // The mean of an exponential distribution is its scale.
        let one = mean(1.0);
        assert!(
            one > load.mul_f64(0.95) && one < load.mul_f64(1.05),
            "{one:?}"
        );
        assert!(mean(2.0) > one.mul_f64(1.8));
        assert_eq!(mean(0.0), Duration::ZERO);
    }

    #[test]
    fn jitter_shortens_within_its_share() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ttl = Duration::from_secs(100);
        let all: Vec<_> = (0..1000).map(|_| jittered(ttl, 0.1, &mut rng)).collect();
        assert!(all.iter().all(|t| *t <= ttl && *t >= ttl.mul_f64(0.9)));
        assert!(all.iter().min() < Some(&ttl.mul_f64(0.91)));
        assert_eq!(jittered(ttl, 0.0, &mut rng), ttl);
    }
}
