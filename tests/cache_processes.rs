//! The cache among several processes: one load, taken over when its holder dies; nothing stale.

use std::time::{Duration, Instant};

use klg_lock_tests::{Process, Server};

const WORKER: &str = env!("CARGO_BIN_EXE_cache_worker");

fn stampede(cache: &str, source: &str, callers: u32, load: &str) -> Process {
    Process::start(
        WORKER,
        &["stampede", cache, source, &callers.to_string(), load],
    )
}

#[test]
fn a_thousand_callers_in_four_processes_load_once() {
    let (cache, source) = (Server::start(), Server::start());
    let mut processes: Vec<_> = (0..4)
        .map(|_| stampede(&cache.uri(), &source.uri(), 250, "300"))
        .collect();
    for process in &processes {
        assert_eq!(process.line(), "ready");
    }
    cache.control().forget_calls();
    for process in &mut processes {
        process.say("go");
    }
    for process in &mut processes {
        let (status, values) = process.wait();
        assert!(status.success());
        assert_eq!(values, vec!["1"; 250]);
    }
    assert_eq!(source.control().get("loads").as_deref(), Some("1"));
    // Those who waited were told, and did not ask again and again: one read each, and a few for
    // each process.
    let reads = cache.control().calls_of("get");
    assert!(reads < 1_000 + 4 * 20, "{reads} reads");
}

#[test]
fn a_holder_that_is_killed_costs_one_more_load() {
    let (cache, source) = (Server::start(), Server::start());
    let mut holder = Process::start(WORKER, &["hang", &cache.uri(), &source.uri()]);
    assert_eq!(holder.line(), "loading");
    let mut waiters: Vec<_> = (0..2)
        .map(|_| stampede(&cache.uri(), &source.uri(), 100, "10"))
        .collect();
    for waiter in &mut waiters {
        assert_eq!(waiter.line(), "ready");
        waiter.say("go");
    }
    let killed = Instant::now();
    holder.kill();
    for waiter in &mut waiters {
        let (status, values) = waiter.wait();
        assert!(status.success());
        assert_eq!(values, vec!["2"; 100]);
    }
    assert!(
        killed.elapsed() < Duration::from_secs(8),
        "{:?}",
        killed.elapsed()
    );
    assert_eq!(source.control().get("loads").as_deref(), Some("2"));
}

#[test]
fn readers_and_writers_in_several_processes_never_see_what_was_evicted() {
    let (cache, source) = (Server::start(), Server::start());
    source
        .control()
        .ask::<()>(&["MSET", "truth", "0", "floor", "0"]);
    let (cache, source) = (cache.uri(), source.uri());
    let time = std::env::var("KLG_CACHE_RACE_MS").unwrap_or_else(|_| "6000".into());
    let mut readers: Vec<_> = (0..3)
        .map(|_| Process::start(WORKER, &["read", &cache, &source, "8", &time]))
        .collect();
    let mut writer = Process::start(WORKER, &["write", &cache, &source, &time]);
    let (status, writes) = writer.wait();
    assert!(status.success());
    let writes: u64 = writes[0].parse().unwrap();
    for reader in &mut readers {
        let (status, lines) = reader.wait();
        assert!(status.success());
        let counts: Vec<u64> = lines[0].split(' ').map(|n| n.parse().unwrap()).collect();
        let [answers, stale, loads] = counts[..] else {
            panic!("{lines:?}")
        };
        assert_eq!(stale, 0, "of {answers} answers, among {writes} writes");
        // Both sides of the race took part.
        assert!(
            answers > 100 && loads > 10 && writes > 100,
            "{answers} {loads} {writes}"
        );
    }
}
