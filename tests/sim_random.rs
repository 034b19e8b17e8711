//! The protocol's invariants in random worlds: see `sim/`.
//!
//! `KLG_SIM_SEEDS=2000 cargo test -p klg-lock-tests --test sim_random` looks longer,
//! `KLG_SIM_SEED=17` at one seed alone.

#[allow(
    dead_code,
    unused_imports,
    reason = "the two programs that share it each use a part"
)]
mod sim;

use sim::{Faults, Plan, Tally, run, seeds};

fn all(faults: Faults, nodes: usize, quick: u64) {
    let mut sum = Tally::default();
    let mut broken = Vec::new();
    for seed in seeds(quick) {
        let plan = Plan::new(seed, nodes, faults);
        let (tally, violations) = run(&plan);
        sum.add(&tally);
        if !violations.is_empty() {
            broken.push(format!("{plan:?}\n    {}", violations.join("\n    ")));
        }
    }
    eprintln!("{faults:?}, {nodes} nodes: {sum:?}");
    assert!(
        broken.is_empty(),
        "{} of {} worlds broke a rule\n{}",
        broken.len(),
        sum.worlds,
        broken[..broken.len().min(8)].join("\n")
    );
    // No desert: people locked, met each other, and things went wrong.
    assert!(sum.locked > sum.worlds && sum.contended > 0 && sum.timed_out > 0);
    assert_eq!(sum.faults > 0, faults != Faults::None);
}

#[test]
fn one_node_with_delays_only() {
    all(Faults::None, 1, 16);
}

#[test]
fn three_nodes_with_delays_only() {
    all(Faults::None, 3, 16);
}

#[test]
fn five_nodes_with_delays_only() {
    all(Faults::None, 5, 8);
}

#[test]
fn one_node_in_a_bad_network() {
    all(Faults::Network, 1, 16);
}

#[test]
fn three_nodes_in_a_bad_network() {
    all(Faults::Network, 3, 16);
}

#[test]
fn five_nodes_in_a_bad_network() {
    all(Faults::Network, 5, 8);
}

#[test]
fn one_node_that_forgets() {
    all(Faults::Memory, 1, 16);
}

#[test]
fn three_nodes_that_forget() {
    all(Faults::Memory, 3, 16);
}

#[test]
fn five_nodes_that_forget() {
    all(Faults::Memory, 5, 8);
}
