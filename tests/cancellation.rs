//! A future that is dropped, at whichever of its polls, leaves nothing behind.
//!
//! All locks here live for a minute: what is left behind does not go away by itself.

use std::future::Future;
use std::time::Duration;

use klg_lock::Redlock;
use klg_lock_tests::engine::{are_clean, buffer, engine, key, lock_keys, mutex};
use klg_lock_tests::poll::{cancelled_after, within};
use klg_lock_tests::{Proxy, Server, Way};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// No future here is polled so often.
const MANY: usize = 500;

/// Drops a future after 0, 1, 2, .. polls until it is done by then; after each time the servers
/// must be clean, and the resource free. Returns how many polls it took to the end.
async fn at_every_poll<F, T>(servers: &[Server], mut future: impl FnMut() -> F) -> usize
where
    F: Future<Output = T>,
{
    let other = mutex(servers).await;
    for polls in 0..MANY {
        let done = cancelled_after(polls, future()).await.is_some();
        let what = format!("nothing is left after {polls} polls");
        within(2 * SECOND, &what, || are_clean(servers)).await;
        let lock = other.lock("key1").acquire().await;
        let lock = lock.unwrap_or_else(|error| panic!("after {polls} polls: {error}"));
        lock.release().await.unwrap();
        within(2 * SECOND, "the probe is released", || are_clean(servers)).await;
        if done {
            return polls;
        }
    }
    panic!("not done after {MANY} polls");
}

/// Three servers, of which two are behind wires that delay the answers differently, so that a
/// future is polled at each of them.
async fn spread() -> ([Server; 3], [Proxy; 2], Redlock) {
    let servers = Server::start_many::<3>();
    let wires = [1, 2].map(|index: usize| Proxy::to(servers[index].address()));
    wires[0].delay(Way::Replies, 3 * MS);
    wires[1].delay(Way::Requests, 6 * MS);
    let nodes = [servers[0].uri(), wires[0].uri(), wires[1].uri()];
    let mutex = Redlock::builder().nodes(nodes).mutex();
    (servers, wires, mutex.connect().await.unwrap())
}

#[tokio::test]
async fn acquire() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let polls = at_every_poll(&servers, || async {
        drop(mutex.lock("key1").acquire().await)
    })
    .await;
    assert!(polls >= 2, "it waited for nothing");
}

#[tokio::test]
async fn acquire_on_three_nodes() {
    let (servers, _wires, mutex) = spread().await;
    let polls = at_every_poll(&servers, || async {
        drop(mutex.lock("key1").acquire().await)
    })
    .await;
    assert!(polls >= 2, "it waited for nothing");
}

#[tokio::test]
async fn acquire_of_several_resources() {
    let (servers, _wires, mutex) = spread().await;
    let names = ["key1", "key2", "key3"];
    at_every_poll(&servers, || async {
        drop(mutex.lock(names).acquire().await)
    })
    .await;
}

#[tokio::test]
async fn using() {
    let (servers, _wires, mutex) = spread().await;
    let polls = at_every_poll(&servers, || {
        mutex.using("key1", async |_| {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        })
    })
    .await;
    assert!(polls >= 5, "its body was not among what was cancelled");
}

#[tokio::test]
async fn extend() {
    let (servers, _wires, mutex) = spread().await;
    for polls in 0..MANY {
        let lock = mutex.lock("key1").acquire().await.unwrap();
        let extended = cancelled_after(polls, lock.extend(90 * SECOND)).await;
        assert!(lock.is_valid());
        drop(lock);
        let what = format!("nothing is left after {polls} polls");
        within(2 * SECOND, &what, || are_clean(&servers)).await;
        // An extension that was on its way must not bring the key back either.
        tokio::time::sleep(20 * MS).await;
        assert!(are_clean(&servers), "it came back after {polls} polls");
        if extended.is_some() {
            assert!(polls >= 2, "it waited for nothing");
            return;
        }
    }
    panic!("not done after {MANY} polls");
}

#[tokio::test]
async fn release() {
    let (servers, _wires, mutex) = spread().await;
    for polls in 0..MANY {
        let lock = mutex.lock("key1").acquire().await.unwrap();
        let released = cancelled_after(polls, lock.release()).await;
        let what = format!("nothing is left after {polls} polls");
        within(2 * SECOND, &what, || are_clean(&servers)).await;
        if released.is_some() {
            assert!(polls >= 2, "it waited for nothing");
            return;
        }
    }
    panic!("not done after {MANY} polls");
}

#[tokio::test]
async fn waiting_behind_another_process() {
    let servers = [Server::start()];
    let (holder, waiter) = (mutex(&servers).await, buffer(&servers).await);
    for polls in 0..20 {
        let lock = holder.lock("key1").acquire().await.unwrap();
        let waiting = waiter.lock("key1").acquire();
        let done = tokio::time::timeout(20 * MS, cancelled_after(polls, waiting)).await;
        assert!(!matches!(done, Ok(Some(_))));
        assert_eq!(lock_keys(&servers[0]), [key("key1")].into());
        lock.release().await.unwrap();
        tokio::time::sleep(10 * MS).await;
        assert!(are_clean(&servers), "taken by a waiter that had gone");
    }
}

#[tokio::test]
async fn waiting_behind_another_task() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    for polls in 0..5 {
        let lock = buffer.lock("key1").acquire().await.unwrap();
        let waiting = buffer.lock("key1").acquire();
        let done = tokio::time::timeout(10 * MS, cancelled_after(polls, waiting)).await;
        assert!(!matches!(done, Ok(Some(_))));
        lock.release().await.unwrap();
        within(SECOND, "nothing is left", || are_clean(&servers)).await;
        let free = buffer.lock("key1").wait(SECOND).acquire().await.unwrap();
        free.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_any_time_with_many_at_once() {
    let servers = Server::start_many::<3>();
    let engines = [buffer(&servers).await, buffer(&servers).await];
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0_u64..16 {
        let engine = engines[usize::from(task % 2 == 0)].clone();
        tasks.spawn(async move {
            for round in 0..60 {
                // From nothing to some milliseconds, different for all tasks and rounds.
                let patience = Duration::from_micros((task * 7 + round * 131) % 5_000);
                let running = engine.using("key1", async |_| tokio::time::sleep(MS).await);
                let _ = tokio::time::timeout(patience, running).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    within(2 * SECOND, "nothing is left", || are_clean(&servers)).await;
    for engine in &engines {
        assert_eq!(engine.held(), 0);
        let lock = engine.lock("key1").wait(SECOND).acquire().await.unwrap();
        lock.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_runtime_that_ends_while_locks_are_held_leaves_them_to_their_ttl_and_hurts_nobody() {
    let server = Server::start();
    let uri = server.uri();
    let lock = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let builder = Redlock::builder().nodes([uri]).mutex();
            let mutex = builder.connect().await.unwrap();
            let request = mutex.lock("key1").ttl(SECOND).auto_extend(false);
            request.acquire().await.unwrap()
        })
    })
    .join()
    .unwrap();
    // Its runtime is gone; dropping it is still no more than a drop.
    drop(lock);
    let servers = [server];
    let builder = engine(&servers).mutex().connect().await.unwrap();
    let next = builder.lock("key1").wait(5 * SECOND).acquire().await;
    next.unwrap().release().await.unwrap();
}
