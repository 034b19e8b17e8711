//! Whole worlds in memory: servers that fail by script, engines as separate processes, tasks that
//! lock, hold, wait, give up and vanish at random, and a checker that watches every one of them.
//!
//! A world is made from a seed and runs on tokio's paused clock, so that minutes take milliseconds.
//! `plan.rs` draws what a world is like, `faults.rs` breaks its servers, `client.rs` uses its locks,
//! `history/` holds what happened against the protocol's invariants.

mod client;
mod faults;
mod history;
mod plan;
mod world;

pub use self::history::Tally;
pub use self::plan::{Faults, Plan};
pub use self::world::run;

/// How many worlds a test makes: `KLG_SIM_SEEDS`, or as many as are quick.
pub fn seeds(quick: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("KLG_SIM_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("KLG_SIM_SEEDS").unwrap_or(quick),
    }
}
