//! The workloads W1 to W7, each with its subjects.

use std::time::Duration;

use crate::case::{Case, Load};
use crate::fault::{Fault, FaultCase};
use crate::foreign::Foreign;
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
    /// Rounds that count, of most workloads.
    pub(crate) fn rounds(self) -> u32 {
        self.pick(5, 2)
    }

    pub(crate) fn pick<T>(self, all: T, quick: T) -> T {
        match self {
            Self::All => all,
            Self::Quick => quick,
        }
    }
}

/// All cases in the order of measuring.
#[must_use]
pub fn cases(scale: Scale, foreign: &Foreign) -> Vec<Case> {
    let mut cases = sequential(scale);
    cases.extend(parallel(scale));
    cases.extend(contended(scale));
    cases.extend(sweep(scale));
    cases.extend(hand_off(scale));
    for case in &mut cases {
        // The sweep shows how costs grow, not who is there; across two cores, W1 is about us.
        if case.workload.starts_with("W4p") || case.workload.ends_with("two cores") {
            continue;
        }
        case.drivers.extend(foreign.node.iter().cloned());
        if case.nodes == 1 {
            case.drivers.extend(foreign.python.iter().cloned());
        }
    }
    cases
}

fn case(scale: Scale, workload: &str, nodes: usize, load: Load, subjects: &[&str]) -> Case {
    Case {
        workload: workload.to_owned(),
        nodes,
        pinning: Pinning::TwoCores,
        load,
        rounds: scale.rounds(),
        window: Duration::ZERO,
        drivers: subjects.iter().map(|name| Driver::own(name)).collect(),
        reference: "raw",
    }
}

fn with_window(mut cases: Vec<Case>, millis: u64) -> Vec<Case> {
    for case in &mut cases {
        case.window = Duration::from_millis(millis);
    }
    cases
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
        ..case(scale, "W1 in sequence, one core", nodes, load, subjects)
    };
    let two_cores = |nodes| case(scale, "W1 in sequence, two cores", nodes, load, &five);
    let cases = scale.pick(
        vec![
            one_core(1, &one),
            two_cores(1),
            one_core(5, &five),
            two_cores(5),
        ],
        vec![one_core(1, &one), two_cores(5)],
    );
    with_window(cases, scale.pick(400, 100))
}

fn parallel(scale: Scale) -> Vec<Case> {
    let load = Load::Own { tasks: 64 };
    let subjects = [
        "raw",
        "raw with TCP_NODELAY",
        "klg-lock",
        "klg-lock deferred",
        "rslock",
        "distributed-lock",
    ];
    let cases = [1, 5].map(|nodes| case(scale, "W2 64 tasks, 64 keys", nodes, load, &subjects));
    with_window(cases.into(), scale.pick(500, 120))
}

fn one_key(processes: u32, tasks: u32, hold: u64) -> Load {
    Load::One {
        processes,
        tasks,
        hold: Duration::from_millis(hold),
    }
}

fn contended(scale: Scale) -> Vec<Case> {
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
        case(scale, "W3 one key, 32 tasks", 1, one_key(1, 32, 0), &one),
        case(
            scale,
            "W3h one key, 32 tasks, 1 ms",
            1,
            one_key(1, 32, 1),
            &held,
        ),
        case(scale, "W4 one key, 4 × 8 tasks", 1, one_key(4, 8, 0), &held),
        case(scale, "W4 one key, 4 × 8 tasks", 5, one_key(4, 8, 0), &five),
    ];
    if scale == Scale::All {
        cases.push(case(
            scale,
            "W3 one key, 32 tasks",
            5,
            one_key(1, 32, 0),
            &five,
        ));
    }
    with_window(cases, scale.pick(800, 150))
}

/// What a lock costs as more and more processes want it, one task in each.
fn sweep(scale: Scale) -> Vec<Case> {
    let subjects = ["klg-lock", "raw", "rslock", "BLPOP"];
    let counts: &[u32] = scale.pick(&[1, 2, 4, 8, 16, 32], &[1, 4, 16]);
    let cases = counts.iter().map(|count| {
        let workload = format!("W4p one key, {count} processes");
        case(scale, &workload, 1, one_key(*count, 1, 0), &subjects)
    });
    with_window(cases.collect(), scale.pick(400, 100))
}

fn hand_off(scale: Scale) -> Vec<Case> {
    let load = Load::HandOff {
        hold: Duration::from_millis(50),
        times: scale.pick(10, 5),
    };
    let name = "W5 hand-off between processes, 50 ms";
    let one = ["raw", "klg-lock", "rslock", "BLPOP", "PUBLISH"];
    let five = ["raw", "klg-lock", "rslock"];
    let mut cases = vec![
        case(scale, name, 1, load, &one),
        case(scale, name, 5, load, &five),
    ];
    for case in &mut cases {
        case.reference = "BLPOP";
    }
    cases
}

/// The faults, W7.
#[must_use]
pub fn faults(scale: Scale, foreign: &Foreign) -> Vec<FaultCase> {
    let subjects: &[&str] = scale.pick(
        &["raw", "klg-lock", "rslock", "redlock", "distributed-lock"],
        &["raw", "klg-lock", "rslock", "distributed-lock"],
    );
    [Fault::Hung, Fault::Killed]
        .map(|fault| FaultCase {
            fault,
            rounds: scale.pick(2, 1),
            drivers: subjects
                .iter()
                .map(|name| Driver::own(name))
                .chain(foreign.node.iter().cloned())
                .collect(),
        })
        .into()
}
