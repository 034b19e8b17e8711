//! Zipf's law: the second key is wanted half as often as the first, the third a third as often.

use rand::RngExt;

/// The shares of all keys, summed up; the driver in another language has the same table.
#[derive(Debug)]
pub(crate) struct Zipf {
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(keys: u32) -> Self {
        let mut sum = 0.0;
        let sums = (1..=keys).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// A key by its rank, from 0.
    pub(crate) fn draw(&self, rng: &mut impl rand::Rng) -> u32 {
        let all = self.sums.last().copied().unwrap_or_default();
        let point = rng.random::<f64>() * all;
        let rank = self.sums.partition_point(|sum| *sum <= point);
        u32::try_from(rank.min(self.sums.len().saturating_sub(1))).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(100);
        let mut counts = [0_u32; 100];
        let mut rng = rand::rng();
        for _ in 0..100_000 {
            let rank = zipf.draw(&mut rng);
            counts[usize::try_from(rank).unwrap_or(0)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.8..2.2).contains(&ratio), "{ratio}");
        assert!(counts.iter().all(|count| *count > 0));
    }
}
