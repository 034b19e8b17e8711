//! The workloads W1 to W6, each with its subjects.

use std::time::Duration;

use crate::case::{Case, Load};
use crate::machine::Pinning;
use crate::process::Driver;

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// A pass of minutes, with all peers.
    All,
    /// A pass for in between.
    Quick,
}

impl Scale {
    fn rounds(self) -> u32 {
        match self {
            Self::All => 7,
            Self::Quick => 5,
        }
    }

    fn window(self, all: u64, quick: u64) -> Duration {
        Duration::from_millis(match self {
            Self::All => all,
            Self::Quick => quick,
        })
    }
}

/// All cases in the order of measuring.
#[must_use]
pub fn cases(scale: Scale) -> Vec<Case> {
    let mut cases = sequential(scale);
    cases.extend(parallel(scale));
    cases.extend(contended(scale));
    cases.extend(hand_off(scale));
    cases
}

fn case(workload: &str, nodes: usize, load: Load, subjects: &[&str]) -> Case {
    Case {
        workload: workload.to_owned(),
        nodes,
        pinning: Pinning::TwoCores,
        load,
        rounds: 0,
        window: Duration::ZERO,
        drivers: subjects.iter().map(|name| Driver::own(name)).collect(),
        reference: "raw",
    }
}

fn sequential(scale: Scale) -> Vec<Case> {
    let load = Load::Own { tasks: 1 };
    let one = [
        "raw",
        "klg-lock",
        "klg-lock using",
        "klg-lock deferred",
        "rslock",
        "redlock",
        "distributed-lock",
        "bare TCP",
    ];
    let five = [
        "raw",
        "klg-lock",
        "klg-lock deferred",
        "rslock",
        "distributed-lock",
    ];
    let one_core = |nodes, subjects: &[&str]| Case {
        pinning: Pinning::OneCore,
        ..case("W1 in sequence, one core", nodes, load, subjects)
    };
    let mut cases = vec![
        one_core(1, &one),
        case("W1 in sequence, two cores", 1, load, &five),
        one_core(5, &five),
        case("W1 in sequence, two cores", 5, load, &five),
    ];
    for case in &mut cases {
        case.rounds = scale.rounds();
        case.window = scale.window(1000, 300);
    }
    cases
}

fn parallel(scale: Scale) -> Vec<Case> {
    let load = Load::Own { tasks: 64 };
    let subjects = [
        "raw",
        "klg-lock",
        "klg-lock deferred",
        "rslock",
        "distributed-lock",
    ];
    [1, 5]
        .map(|nodes| Case {
            rounds: scale.rounds(),
            window: scale.window(1500, 500),
            ..case("W2 64 tasks, 64 keys", nodes, load, &subjects)
        })
        .into()
}

fn contended(scale: Scale) -> Vec<Case> {
    let load = |processes, tasks, hold| Load::One {
        processes,
        tasks,
        hold: Duration::from_millis(hold),
    };
    let one = [
        "raw",
        "klg-lock",
        "klg-lock using",
        "klg-lock strict",
        "rslock",
        "BLPOP",
    ];
    let held = ["raw", "klg-lock", "klg-lock strict", "rslock", "BLPOP"];
    let five = ["raw", "klg-lock", "klg-lock strict", "rslock"];
    let mut cases = vec![
        case("W3 one key, 32 tasks", 1, load(1, 32, 0), &one),
        case("W3 one key, 32 tasks", 5, load(1, 32, 0), &five),
        case("W3h one key, 32 tasks, 1 ms", 1, load(1, 32, 1), &held),
        case("W4 one key, 4 × 8 tasks", 1, load(4, 8, 0), &held),
        case("W4 one key, 4 × 8 tasks", 5, load(4, 8, 0), &five),
    ];
    for case in &mut cases {
        case.rounds = scale.rounds();
        case.window = scale.window(2500, 800);
    }
    cases
}

fn hand_off(scale: Scale) -> Vec<Case> {
    let load = |hold, times| Load::HandOff {
        hold: Duration::from_millis(hold),
        times,
    };
    let (rounds, times) = match scale {
        Scale::All => (7, 40),
        Scale::Quick => (5, 12),
    };
    let one = ["raw", "klg-lock", "rslock", "BLPOP", "PUBLISH"];
    let five = ["raw", "klg-lock", "rslock"];
    let mut cases = vec![
        case(
            "W5 hand-off between processes, 50 ms",
            1,
            load(50, times),
            &one,
        ),
        case(
            "W5 hand-off between processes, 50 ms",
            5,
            load(50, times),
            &five,
        ),
    ];
    for case in &mut cases {
        case.rounds = rounds;
        case.reference = "BLPOP";
    }
    cases
}
