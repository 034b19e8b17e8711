//! The workloads of caches, each with its subjects.

use std::time::Duration;

use super::case::{CacheCase, CacheLoad};
use super::outage::OutageCase;
use crate::foreign::Foreign;
use crate::machine::Pinning;
use crate::process::Driver;
use crate::workloads::Scale;

/// C1 to C6, C8 and C9, in the order of measuring.
#[must_use]
pub fn cases(scale: Scale, foreign: &Foreign) -> Vec<CacheCase> {
    let remote = ["raw GET", "klg-lock L2", "cached on Redis"];
    let mixed = ["raw GET", "klg-lock L2", "klg-lock L1", "cached on Redis"];
    let in_memory = ["moka", "klg-lock L1", "cached in memory"];
    let window = |all: u64, quick: u64| Duration::from_millis(scale.pick(all, quick));
    let hits = |tasks, batch| CacheLoad::Hits { tasks, batch };
    let mut cases = vec![
        CacheCase {
            pinning: Pinning::OneCore,
            reference: "moka",
            ..case(
                scale,
                "C1 hit in the process",
                hits(1, 256),
                window(400, 100),
                &in_memory,
            )
        },
        CacheCase {
            pinning: Pinning::OneCore,
            ..case(
                scale,
                "C2 hit on the server, one core",
                hits(1, 1),
                window(500, 150),
                &remote,
            )
        },
        case(
            scale,
            "C2 hit on the server, 64 tasks",
            hits(64, 1),
            window(500, 200),
            &remote,
        ),
        CacheCase {
            pinning: Pinning::OneCore,
            ..case(
                scale,
                "C3 miss, one core",
                CacheLoad::Misses,
                window(500, 150),
                &remote,
            )
        },
        case(
            scale,
            "C4 cold key, 4 × 250 callers, load 50 ms",
            CacheLoad::Stampede {
                callers: 250,
                load: Duration::from_millis(50),
            },
            Duration::ZERO,
            &remote,
        ),
        CacheCase {
            rounds: scale.pick(2, 1),
            ..case(
                scale,
                "C5 hot key, 16 tasks, expires each 500 ms, load 20 ms",
                CacheLoad::Hot {
                    tasks: 16,
                    ttl: Duration::from_millis(500),
                    load: Duration::from_millis(20),
                },
                window(2000, 1200),
                &[
                    "raw GET",
                    "klg-lock L2",
                    "klg-lock L2 background",
                    "cached on Redis",
                ],
            )
        },
        case(
            scale,
            "C6 Zipf, 100,000 keys, 64 tasks, 10 % writes, load up to 1 ms",
            mix(1, 64, 100_000, 10, 1000),
            window(800, 400),
            &mixed,
        ),
        CacheCase {
            reference: "klg-lock L1",
            ..case(
                scale,
                "C8 change seen by another process",
                CacheLoad::Seen {
                    times: scale.pick(200, 50),
                },
                Duration::ZERO,
                &["klg-lock L1"],
            )
        },
        CacheCase {
            rounds: scale.pick(2, 1),
            ..case(
                scale,
                "C9 stale answers, 4 × 8 tasks, 32 keys, 30 % writes, load up to 3 ms",
                mix(4, 8, 32, 30, 3000),
                window(2000, 500),
                &remote,
            )
        },
    ];
    for case in &mut cases {
        // Its levels, as this library's: values on the server alone, or in the process as well.
        let wanted = match case.workload.split(' ').next() {
            Some("C1" | "C8") => ["bentocache L1"].as_slice(),
            Some("C6") => ["bentocache L1", "bentocache L2"].as_slice(),
            _ => ["bentocache L2"].as_slice(),
        };
        let mut all = foreign.caches.iter().cloned();
        case.drivers.extend(
            all.by_ref()
                .filter(|one| wanted.contains(&one.name.as_str())),
        );
    }
    cases
}

/// C7.
#[must_use]
pub fn outages(scale: Scale, foreign: &Foreign) -> Vec<OutageCase> {
    let own = ["raw GET", "klg-lock L2", "cached on Redis"].map(Driver::own);
    let others = foreign.caches.iter().cloned();
    vec![OutageCase {
        rounds: scale.pick(2, 1),
        drivers: own
            .into_iter()
            .chain(others.filter(|one| one.name == "bentocache L2"))
            .collect(),
    }]
}

fn case(
    scale: Scale,
    workload: &str,
    load: CacheLoad,
    window: Duration,
    subjects: &[&str],
) -> CacheCase {
    CacheCase {
        workload: workload.to_owned(),
        pinning: Pinning::TwoCores,
        load,
        rounds: scale.rounds(),
        window,
        drivers: subjects.iter().map(|name| Driver::own(name)).collect(),
        reference: "raw GET",
    }
}

fn mix(processes: u32, tasks: u32, keys: u32, writes: u32, load_micros: u64) -> CacheLoad {
    CacheLoad::Mix {
        processes,
        tasks,
        keys,
        writes,
        load: Duration::from_micros(load_micros),
    }
}
