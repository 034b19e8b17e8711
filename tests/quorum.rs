//! A lock is had exactly where a quorum of nodes gives it, whatever the others do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use klg_lock::{LockError, Redlock, Retry};
use klg_lock_tests::engine::{are_clean, buffer, engine, key, lock_keys, mutex};
use klg_lock_tests::poll::within;
use klg_lock_tests::{Proxy, Server, Way};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// The nodes that are in a mask.
fn members(mask: u32) -> impl Iterator<Item = usize> {
    (0..5).filter(move |node| mask & (1 << node) != 0)
}

#[tokio::test]
async fn every_set_of_clogged_nodes_of_five() {
    let servers = Server::start_many::<5>();
    let mutex = mutex(&servers).await;
    for mask in 0_u32..32 {
        let name = format!("mask{mask}");
        let key = key(&name);
        for node in members(mask) {
            assert!(
                servers[node]
                    .control()
                    .set_if_absent(&key, "clog", 60 * SECOND)
            );
        }
        let attempt = mutex.lock(&name).acquire().await;
        if members(mask).count() <= 2 {
            let lock = attempt.unwrap_or_else(|error| panic!("{mask:05b}: {error}"));
            let free: BTreeSet<usize> = (0..5).filter(|n| mask & (1 << n) == 0).collect();
            within(SECOND, "all free nodes are taken", || {
                free.iter()
                    .all(|&node| servers[node].control().get(&key).is_some())
            })
            .await;
            lock.extend(90 * SECOND).await.unwrap();
            lock.release().await.unwrap();
        } else {
            let error = attempt.unwrap_err();
            assert!(
                matches!(error, LockError::Contended { .. }),
                "{mask:05b}: {error}"
            );
        }
        for (node, server) in servers.iter().enumerate() {
            let clogged = mask & (1 << node) != 0;
            within(SECOND, "a free node is clean", || {
                clogged || server.control().get(&key).is_none()
            })
            .await;
            let value = server.control().get(&key);
            assert_eq!(value.as_deref(), clogged.then_some("clog"), "{mask:05b}");
        }
    }
}

/// Five servers behind five wires, and an engine that gives each of them so much time to answer.
async fn wired(deadline: Duration) -> ([Server; 5], Vec<Proxy>, Redlock) {
    let servers = Server::start_many::<5>();
    let wires: Vec<Proxy> = servers.iter().map(|s| Proxy::to(s.address())).collect();
    let builder = Redlock::builder()
        .nodes(wires.iter().map(Proxy::uri))
        .node_timeout(deadline);
    let mutex = builder.mutex().connect().await.unwrap();
    // All five are there before any of them goes.
    for _ in 0..2 {
        mutex
            .lock("warm")
            .acquire()
            .await
            .unwrap()
            .release()
            .await
            .unwrap();
    }
    (servers, wires, mutex)
}

/// Locks once under each set of failing nodes, and looks at what is left when they are back.
async fn every_set_of(
    failing: &str,
    servers: &[Server; 5],
    mutex: &Redlock,
    fail: impl Fn(usize),
    mend: impl Fn(usize),
) {
    for mask in 0_u32..32 {
        let name = format!("mask{mask}");
        members(mask).for_each(&fail);
        let begun = Instant::now();
        let attempt = mutex.lock(&name).ttl(20 * SECOND).acquire().await;
        let took = begun.elapsed();
        let what = format!("{failing} {mask:05b}, after {took:?}");
        if members(mask).count() <= 2 {
            let lock = attempt.unwrap_or_else(|error| panic!("{what}: {error}"));
            lock.extend(30 * SECOND).await.unwrap();
            lock.release().await.unwrap();
        } else {
            let error = attempt.unwrap_err();
            let LockError::Unavailable { votes, .. } = &error else {
                panic!("{what}: {error}");
            };
            assert!(votes.len() >= 3, "{what}: {error}");
            assert!(took < 4 * SECOND, "{what}");
        }
        members(mask).for_each(&mend);
        let key = key(&name);
        within(5 * SECOND, &format!("nothing is left ({what})"), || {
            servers
                .iter()
                .all(|server| server.control().get(&key).is_none())
        })
        .await;
        // The next set begins when all nodes vote again.
        let begun = Instant::now();
        loop {
            let lock = mutex.lock("warm").wait(5 * SECOND).acquire().await;
            let lock = lock.unwrap_or_else(|error| panic!("{what}: {error}"));
            tokio::time::sleep(5 * MS).await;
            let all = servers
                .iter()
                .all(|s| s.control().get("redis_lock:warm").is_some());
            lock.release().await.unwrap();
            within(SECOND, "the probe is released", || are_clean(servers)).await;
            if all {
                break;
            }
            assert!(
                begun.elapsed() < 20 * SECOND,
                "{what}: a node did not come back"
            );
        }
    }
}

#[tokio::test]
async fn every_set_of_unreachable_nodes_of_five() {
    let (servers, wires, mutex) = wired(SECOND).await;
    let (fail, mend) = (|n: usize| wires[n].refuse(), |n: usize| wires[n].accept());
    every_set_of("unreachable", &servers, &mutex, fail, mend).await;
}

#[tokio::test]
async fn every_set_of_silent_nodes_of_five() {
    let (servers, wires, mutex) = wired(SECOND).await;
    let (fail, mend) = (
        // They do what they are asked, and nobody hears of it.
        |n: usize| wires[n].hold(Way::Replies),
        |n: usize| wires[n].pass(),
    );
    every_set_of("silent", &servers, &mutex, fail, mend).await;
}

#[tokio::test]
async fn a_slow_minority_slows_nobody() {
    let (_servers, wires, mutex) = wired(5 * SECOND).await;
    wires[1].delay(Way::Replies, 150 * MS);
    wires[3].hold(Way::Replies);
    let begun = Instant::now();
    for _ in 0..50 {
        let lock = mutex.lock("key1").acquire().await.unwrap();
        lock.release().await.unwrap();
    }
    let took = begun.elapsed();
    assert!(took < 4 * SECOND, "{took:?} for 50 locks");
}

#[tokio::test]
async fn a_lock_survives_the_death_of_a_minority_and_not_that_of_a_majority() {
    let servers = Server::start_many::<5>();
    let mutex = mutex(&servers).await;
    let ttl = 2 * SECOND;
    let lock = mutex.lock("key1").ttl(ttl).acquire().await.unwrap();
    within(SECOND, "all nodes have it", || {
        servers.iter().all(|server| !lock_keys(server).is_empty())
    })
    .await;
    servers[0].kill();
    servers[1].pause();
    tokio::time::sleep(2 * ttl).await;
    assert!(lock.is_valid());
    servers[2].kill();
    let begun = Instant::now();
    lock.lost().await;
    assert!(begun.elapsed() <= ttl, "{:?}", begun.elapsed());
    assert!(lock.release().await.is_err());
    servers[1].resume();
    within(2 * SECOND, "nothing is left", || are_clean(&servers[3..])).await;
}

#[tokio::test]
async fn a_node_that_forgot_the_lock_gets_it_back() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").ttl(SECOND).acquire().await.unwrap();
    within(SECOND, "all nodes have it", || {
        servers.iter().all(|server| !lock_keys(server).is_empty())
    })
    .await;
    let value = servers[1].control().get(&key("key1"));
    servers[0].restart();
    servers[1].control().flush_all();
    // Two of three have forgotten: the one that is left cannot be a quorum by itself, and a lock
    // that is lost is not brought back to life.
    lock.lost().await;
    drop(lock);
    within(SECOND, "nothing is left", || are_clean(&servers)).await;

    let lock = mutex.lock("key1").ttl(SECOND).acquire().await.unwrap();
    within(SECOND, "all nodes have it", || {
        servers.iter().all(|server| !lock_keys(server).is_empty())
    })
    .await;
    let again = servers[1].control().get(&key("key1"));
    assert_ne!(again, value);
    servers[0].control().flush_all();
    within(SECOND, "the node is healed", || {
        servers[0].control().get(&key("key1")) == again
    })
    .await;
    assert!(lock.is_valid());
    // The fencing counter was brought back with it.
    let fence = "redis_fence:{redis_lock:key1}";
    let counter: u64 = servers[0].control().ask(&["GET", fence]);
    assert!(counter >= u64::from(lock.fencing_token()));
    lock.release().await.unwrap();
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_node_that_lost_the_key_gets_it_back_for_as_long_as_the_others_keep_it() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(60 * SECOND).auto_extend(false);
    let lock = request.acquire().await.unwrap();
    let key = key("key1");
    within(SECOND, "all nodes have it", || {
        servers.iter().all(|server| !lock_keys(server).is_empty())
    })
    .await;
    for server in &servers {
        server.control().delete(&key);
        // An extension by less than is left prolongs nothing, and still heals.
        lock.extend(10 * MS).await.unwrap();
        within(SECOND, "the node is healed", || {
            let left = server.control().time_to_live(&key);
            left.is_some_and(|left| left > 50 * SECOND && left <= 60 * SECOND)
        })
        .await;
    }
    lock.release().await.unwrap();
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_majority_of_clogged_nodes_is_asked_exactly_as_often_as_the_count_says() {
    let servers = Server::start_many::<3>();
    let retry = Retry::new().count(4).delay(20 * MS).jitter(Duration::ZERO);
    let buffer = engine(&servers).buffer(retry).connect().await.unwrap();
    // From here on the servers know the scripts: a release that goes twice wakes its waiter.
    buffer.using("warm", async |_| ()).await.unwrap();
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
    for server in &servers[..2] {
        server
            .control()
            .ask::<()>(&["SET", &key("key1"), "for ever"]);
    }
    let gave_up = buffer.lock("key1").acquire().await.unwrap_err();
    assert!(
        matches!(gave_up, LockError::Timeout { attempts: 4, .. }),
        "{gave_up}"
    );
    within(SECOND, "the free node is clean", || {
        servers[2].control().get(&key("key1")).is_none()
    })
    .await;
    for server in &servers[..2] {
        let value = server.control().get(&key("key1"));
        assert_eq!(value.as_deref(), Some("for ever"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_votes_are_resolved_long_before_a_ttl_is_over() {
    let servers = Server::start_many::<5>();
    let mut engines = Vec::new();
    for _ in 0..5 {
        engines.push(buffer(&servers).await);
    }
    let begun = Instant::now();
    for round in 0..20 {
        let name = format!("round{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for engine in &engines {
            let request = engine.lock(&name).ttl(60 * SECOND);
            tasks.spawn(async move {
                request.acquire().await.unwrap().release().await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
    let took = begun.elapsed();
    assert!(took < 10 * SECOND, "{took:?} for 100 locks");
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_mutexes_that_try_at_the_same_time_at_most_one_wins() {
    let servers = Server::start_many::<5>();
    let mut engines = Vec::new();
    for _ in 0..4 {
        engines.push(mutex(&servers).await);
    }
    let mut won = 0;
    for round in 0..20 {
        let name = format!("round{round}");
        let mut tasks = tokio::task::JoinSet::new();
        for engine in &engines {
            tasks.spawn(engine.lock(&name).acquire());
        }
        let mut winners = Vec::new();
        while let Some(done) = tasks.join_next().await {
            match done.unwrap() {
                Ok(lock) => winners.push(lock),
                Err(LockError::Contended { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(winners.len() <= 1, "{winners:?}");
        won += winners.len();
    }
    assert!(won >= 18, "only {won} of 20 rounds had a winner");
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn an_even_number_of_nodes_works_and_tolerates_one_failure_of_four() {
    let servers = Server::start_many::<4>();
    let mutex = mutex(&servers).await;
    servers[0].kill();
    mutex
        .lock("key1")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    servers[1].kill();
    let error = mutex.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
}
