//! Several resources under one lock: all of them or none.

use std::time::{Duration, Instant};

use klg_lock::LockError;
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, key, lock_keys, mutex};
use klg_lock_tests::poll::within;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn all_are_locked_and_released_together() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let lock = mutex
        .lock(["to:2", "from:1", "to:2"])
        .acquire()
        .await
        .unwrap();
    assert_eq!(lock.resources().collect::<Vec<_>>(), ["from:1", "to:2"]);
    let expected = [key("from:1"), key("to:2")].into();
    within(SECOND, "every node has both keys", || {
        servers.iter().all(|server| lock_keys(server) == expected)
    })
    .await;
    lock.extend(90 * SECOND).await.unwrap();
    // A quorum decides; the node that is not part of it follows.
    within(SECOND, "every node has extended both keys", || {
        servers.iter().all(|server| {
            let mut control = server.control();
            ["from:1", "to:2"].iter().all(|name| {
                let left = control.time_to_live(&key(name));
                left.is_some_and(|left| left > 85 * SECOND)
            })
        })
    })
    .await;
    lock.release().await.unwrap();
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_set_that_overlaps_with_a_held_one_leaves_the_free_key_free() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, mutex(&servers).await);
    let held = first.lock(["a", "b"]).acquire().await.unwrap();
    let refused = second.lock(["b", "c"]).acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
    assert!(!lock_keys(&servers[0]).contains(&key("c")));
    let free = second.lock("c").acquire().await.unwrap();
    free.release().await.unwrap();
    held.release().await.unwrap();
    let both = second.lock(["b", "c"]).acquire().await.unwrap();
    both.release().await.unwrap();
}

#[tokio::test]
async fn the_refusal_names_a_resource_that_is_held() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, mutex(&servers).await);
    let _held = first.lock("b").acquire().await.unwrap();
    let refused = second.lock(["a", "b", "c"]).acquire().await.unwrap_err();
    assert!(refused.to_string().contains('b'), "{refused}");
    let LockError::Contended { holder, .. } = refused else {
        panic!("{refused}");
    };
    assert!(holder.is_some());
}

#[tokio::test]
async fn one_lost_key_of_a_set_loses_the_lock() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock(["a", "b"]).ttl(SECOND).acquire().await.unwrap();
    servers[0].control().delete(&key("b"));
    let begun = Instant::now();
    lock.lost().await;
    assert!(begun.elapsed() < SECOND);
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sets_in_any_order_do_not_block_each_other() {
    let servers = [Server::start()];
    let sets = [["a", "b"], ["b", "a"], ["b", "c"], ["c", "a"]];
    let mut tasks = tokio::task::JoinSet::new();
    // Half of the contenders in one process-wide queue, half in engines of their own.
    let shared = buffer(&servers).await;
    for round in 0..2 {
        for set in sets {
            let engine = match round {
                0 => shared.clone(),
                _ => buffer(&servers).await,
            };
            tasks.spawn(async move {
                for _ in 0..25 {
                    let request = engine.lock(set).wait(30 * SECOND);
                    request.acquire().await.unwrap().release().await.unwrap();
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn one_token_is_larger_than_that_of_every_earlier_holder_of_any_of_them() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let mut highest = None;
    for set in [
        &["a"][..],
        &["b"],
        &["a", "b"],
        &["b", "c"],
        &["c"],
        &["a", "c"],
        &["b"],
    ] {
        let lock = mutex.lock(set).acquire().await.unwrap();
        let token = Some(lock.fencing_token());
        // Connected by a shared resource, each of these sets comes after all those before it.
        if set.len() > 1 || set == ["c"] {
            assert!(token > highest, "{set:?}: {token:?} after {highest:?}");
        }
        highest = highest.max(token);
        lock.release().await.unwrap();
    }
}
