//! How long things took: counts in buckets less than one per cent wide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Each power of two is cut into this many buckets; below it every nanosecond has its own.
const CUTS: u64 = 128;

/// Counts by bucket. The same few lines exist in each peer's driver, so that all processes of a
/// round add up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram {
    buckets: BTreeMap<u64, u64>,
}

impl Histogram {
    /// Counts one duration, in nanoseconds.
    pub fn add(&mut self, nanos: u64) {
        *self.buckets.entry(bucket(nanos)).or_default() += 1;
    }

    /// Counts everything another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// The duration in nanoseconds that this share (0 to 1) of all does not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.count() as f64).ceil().max(1.0);
        let mut seen = 0.0;
        for (bucket, count) in &self.buckets {
            seen += *count as f64;
            if seen >= rank {
                return middle(*bucket);
            }
        }
        self.buckets
            .last_key_value()
            .map_or(0.0, |(bucket, _)| middle(*bucket))
    }
}

fn bucket(nanos: u64) -> u64 {
    let bits = u64::from(u64::BITS - nanos.leading_zeros());
    let shift = bits.saturating_sub(8);
    shift * CUTS * 2 + (nanos >> shift)
}

fn middle(bucket: u64) -> f64 {
    let (shift, cut) = (bucket / (CUTS * 2), bucket % (CUTS * 2));
    let low = (cut << shift) as f64;
    let width = (1_u64 << shift) as f64;
    low + (width - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_less_than_one_per_cent_wide() {
        for nanos in [0, 1, 255, 256, 12_345, 999_999, 60_000_000_000] {
            let mut one = Histogram::default();
            one.add(nanos);
            let error = (one.quantile(0.5) - nanos as f64).abs();
            assert!(error <= nanos as f64 / 200.0, "{nanos}: off by {error}");
        }
    }

    #[test]
    fn quantiles_count_from_the_smallest() {
        let mut all = Histogram::default();
        (1..=100).for_each(|nanos| all.add(nanos));
        assert_eq!(
            [all.quantile(0.5), all.quantile(0.99), all.quantile(1.0)],
            [50.0, 99.0, 100.0]
        );
    }
}
