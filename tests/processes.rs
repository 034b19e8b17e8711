//! Several processes: none loses an update, and the death of one frees what it held.

use std::time::{Duration, Instant};

use klg_lock::LockError;
use klg_lock_tests::engine::{are_clean, buffer, key, mutex, uris};
use klg_lock_tests::poll::{wait_until, within};
use klg_lock_tests::{Process, Server};
use rustix::process::Signal;

const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn nodes(servers: &[Server]) -> String {
    uris(servers).join(",")
}

/// Four processes with eight tasks each add to one number, by reading and writing it.
fn count(servers: &[Server], rounds: u64) {
    let data = Server::start();
    let words = |name: &str| {
        [
            name.to_owned(),
            nodes(servers),
            "counted".to_owned(),
            data.uri(),
        ]
    };
    let workers: Vec<Process> = (0..4)
        .map(|_| {
            let words = words("count");
            let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
            let rounds = rounds.to_string();
            words.extend(["8", &rounds]);
            Process::start(WORKER, &words)
        })
        .collect();
    let mut written = Vec::new();
    for mut worker in workers {
        let (status, lines) = worker.wait();
        assert!(status.success(), "{status}: {:?}", lines.last());
        written.extend(lines.iter().map(|line| {
            let (token, number) = line.split_once(' ').unwrap();
            (
                token.parse::<u64>().unwrap(),
                number.parse::<u64>().unwrap(),
            )
        }));
    }
    let total = 4 * 8 * rounds;
    assert_eq!(data.control().get("counter"), Some(total.to_string()));
    // In the order of their fencing tokens the holders wrote 1, 2, 3, ..: no two shared one, and
    // each came after the one before it.
    written.sort_unstable();
    let numbers: Vec<u64> = written.iter().map(|&(_, number)| number).collect();
    assert_eq!(numbers, (1..=total).collect::<Vec<_>>());
    wait_until("nothing is left", || are_clean(servers));
}

#[test]
fn a_counter_of_four_processes_loses_no_update_on_one_node() {
    count(&[Server::start()], 25);
}

#[test]
fn a_counter_of_four_processes_loses_no_update_on_three_nodes() {
    count(&Server::start_many::<3>(), 15);
}

fn holder(servers: &[Server], ttl: &str) -> (Process, u64) {
    let process = Process::start(WORKER, &["hold", &nodes(servers), "key1", ttl]);
    let line = process.line();
    let token = line
        .strip_prefix("held ")
        .unwrap_or_else(|| panic!("{line}"));
    let token = token.parse().unwrap();
    (process, token)
}

#[tokio::test]
async fn a_killed_holder_frees_the_lock_within_its_ttl() {
    let servers = Server::start_many::<3>();
    let buffer = buffer(&servers).await;
    let (mut process, token) = holder(&servers, "2000");
    // It has been extended for a while when it dies.
    tokio::time::sleep(3 * SECOND).await;
    let begun = Instant::now();
    process.kill();
    let lock = buffer
        .lock("key1")
        .wait(10 * SECOND)
        .acquire()
        .await
        .unwrap();
    let took = begun.elapsed();
    assert!(took > 500 * MS && took < 2300 * MS, "{took:?}");
    assert!(u64::from(lock.fencing_token()) > token);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_ends_without_a_release_frees_the_lock_within_its_ttl() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    let (mut process, _) = holder(&servers, "1000");
    process.end_input();
    let begun = Instant::now();
    let lock = buffer
        .lock("key1")
        .wait(10 * SECOND)
        .acquire()
        .await
        .unwrap();
    assert!(begun.elapsed() < 1300 * MS, "{:?}", begun.elapsed());
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_was_stopped_for_longer_than_its_ttl_learns_that_it_lost() {
    let servers = Server::start_many::<3>();
    let buffer = buffer(&servers).await;
    let (mut process, token) = holder(&servers, "1000");
    process.say("check");
    assert_eq!(process.line(), "valid");
    process.signal(Signal::STOP);
    let lock = buffer
        .lock("key1")
        .wait(10 * SECOND)
        .acquire()
        .await
        .unwrap();
    assert!(u64::from(lock.fencing_token()) > token);
    let value = servers[0].control().get(&key("key1"));
    process.signal(Signal::CONT);
    process.say("check");
    assert_eq!(process.line(), "lost");
    process.say("release");
    let told = process.line();
    assert!(told.contains("lost"), "{told}");
    assert_eq!(servers[0].control().get(&key("key1")), value);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn contenders_are_told_which_process_holds_the_lock() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let (mut process, _) = holder(&servers, "5000");
    let LockError::Contended { holder, .. } = mutex.lock("key1").acquire().await.unwrap_err()
    else {
        panic!("not told");
    };
    let holder = holder.unwrap().description;
    assert!(holder.contains(&process.pid().to_string()), "{holder}");
    assert!(holder.contains("worker"), "{holder}");
    process.say("release");
    assert_eq!(process.line(), "released");
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}
