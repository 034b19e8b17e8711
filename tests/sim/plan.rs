//! What one world is like, drawn from its seed.

use std::ops::Range;
use std::time::Duration;

use klg_lock::testing::Rule;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How badly the servers and the network behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// Delays only.
    None,
    /// Loss, duplication, hangs, restarts with the memory kept, drifting clocks, missing pushes:
    /// everything under which nobody may ever hold what another holds.
    Network,
    /// Besides, servers forget, roll back, let their clocks jump; keys are deleted by hand.
    Memory,
}

/// One world.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: usize,
    pub engines: usize,
    pub tasks: usize,
    pub rounds: u32,
    pub resources: usize,
    pub faults: Faults,
    /// How long things go wrong; then everything is put right.
    pub trouble: Duration,
    pub ttl: Range<Duration>,
    /// The longest time on the way, in each direction.
    pub delay: Duration,
    pub deadline: Duration,
    pub handover: u32,
    /// All requests wait, and nobody gives up.
    pub steadfast: bool,
    /// A rule that the servers break, to see that the checker notices.
    pub broken: Option<Rule>,
    /// Pushes never arrive although the servers offer them.
    pub silent: bool,
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Plan {
    pub fn new(seed: u64, nodes: usize, faults: Faults) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let ttl = *pick(&mut rng, &[ms(60), ms(250), ms(1_000), ms(5_000)]);
        let delay = *pick(&mut rng, &[ms(0), ms(1), ms(3), ms(15)]);
        // A lock that two slow round trips use up is no test of anything.
        let ttl = ttl.max(delay * 8);
        Self {
            seed,
            nodes,
            engines: rng.random_range(2..=4),
            tasks: rng.random_range(1..=5),
            rounds: 6,
            resources: rng.random_range(1..=3),
            faults,
            trouble: ms(4_000),
            ttl: ttl..ttl * 3,
            delay,
            deadline: *pick(&mut rng, &[ms(50), ms(150), ms(500)]),
            handover: *pick(&mut rng, &[0, 1, 4, 64]),
            steadfast: rng.random_bool(0.2),
            broken: None,
            silent: false,
        }
    }

    /// The longest time for which a key can be left behind by somebody who is gone.
    pub fn longest_ttl(&self) -> Duration {
        self.ttl.end
    }
}

pub fn pick<'a, T>(rng: &mut SmallRng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

pub fn up_to(rng: &mut SmallRng, longest: Duration) -> Duration {
    longest.mul_f64(rng.random_range(0.0..1.0))
}
