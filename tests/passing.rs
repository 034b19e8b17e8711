//! On one server a release hands the lock to the first who waits, in any process, at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use klg_lock::{Redlock, Retry};
use klg_lock_tests::engine::{are_clean, buffer, engine, key, lock_keys};
use klg_lock_tests::poll::within;
use klg_lock_tests::{Proxy, Server, Way};
use tokio::task::JoinSet;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// An engine that releases on the server after every lock, as another process would.
async fn strict(servers: &[Server]) -> Redlock {
    let engine = engine(servers).buffer(Retry::default());
    engine.handover(0, Duration::ZERO).connect().await.unwrap()
}

/// Waits until so many stand in the order of the server.
async fn standing(server: &Server, count: u64) {
    let mut control = server.control();
    within(SECOND, "they stand in the server's order", || {
        control.ask::<u64>(&["ZCARD", "redis_queue:{redis_lock:key1}"]) == count
    })
    .await;
}

fn scripts(server: &Server) -> u64 {
    let mut control = server.control();
    control.calls_of("evalsha") + control.calls_of("eval")
}

#[tokio::test]
async fn whoever_waits_has_the_lock_without_asking_again() {
    let servers = [Server::start()];
    let (first, second) = (buffer(&servers).await, buffer(&servers).await);
    for _ in 0..10 {
        let held = first.lock("key1").acquire().await.unwrap();
        let before = held.fencing_token();
        let request = second.lock("key1");
        let waiting = tokio::spawn(async move { request.acquire().await });
        standing(&servers[0], 1).await;
        // The first also watches the lock key, which is one more question.
        sleep(20 * MS).await;
        let asked = scripts(&servers[0]);
        held.release().await.unwrap();
        let lock = waiting.await.unwrap().unwrap();
        let spent = scripts(&servers[0]) - asked;
        assert!(lock.fencing_token() > before);
        // The release; an extension and a call for the next one follow if the lock stays for 5 ms.
        assert!((1..=3).contains(&spent), "{spent} scripts");
        // Given for a short time, and soon extended to what was asked for.
        within(SECOND, "the lock is good for its TTL", || {
            lock.remaining() > 50 * SECOND
        })
        .await;
        let left = servers[0].control().time_to_live(&key("key1"));
        assert!(left.is_some_and(|left| left > 50 * SECOND), "{left:?}");
        lock.release().await.unwrap();
        assert!(are_clean(&servers));
    }
}

#[tokio::test]
async fn nobody_overlaps_and_tokens_rise_however_fast_it_goes_round() {
    let servers = [Server::start()];
    let inside = Arc::new(AtomicU64::new(0));
    let last = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let engine = strict(&servers).await;
        for _ in 0..8 {
            let (engine, inside, last) = (engine.clone(), Arc::clone(&inside), Arc::clone(&last));
            tasks.spawn(async move {
                for round in 0..50 {
                    let lock = engine
                        .lock("key1")
                        .wait(30 * SECOND)
                        .acquire()
                        .await
                        .unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two inside");
                    let token = u64::from(lock.fencing_token());
                    assert!(last.swap(token, Ordering::SeqCst) < token);
                    if round % 10 == 0 {
                        sleep(MS).await;
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    lock.release().await.unwrap();
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    within(SECOND, "no key is left", || are_clean(&servers)).await;
    let mut control = servers[0].control();
    let left = control.keys_like("redis_queue:*");
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_waiter_that_leaves_as_it_is_given_the_lock_gives_it_back() {
    let servers = [Server::start()];
    let (holder, leaver, patient) = (
        strict(&servers).await,
        strict(&servers).await,
        strict(&servers).await,
    );
    for round in 0..60_u32 {
        let held = holder.lock("key1").acquire().await.unwrap();
        let leaving = tokio::spawn(leaver.lock("key1").acquire());
        standing(&servers[0], 1).await;
        let waiting = tokio::spawn(patient.lock("key1").wait(20 * SECOND).acquire());
        standing(&servers[0], 2).await;
        let begun = Instant::now();
        let released = tokio::spawn(held.release());
        // Before it is given the lock, just then, or just after.
        sleep(round % 12 * 50 * Duration::from_micros(1)).await;
        leaving.abort();
        drop(leaving.await);
        released.await.unwrap().unwrap();
        let lock = waiting.await.unwrap().unwrap();
        assert!(
            begun.elapsed() < SECOND / 2,
            "{round}: {:?}",
            begun.elapsed()
        );
        lock.release().await.unwrap();
        within(SECOND, "no key is left", || {
            lock_keys(&servers[0]).is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn the_next_one_notices_that_a_lock_is_deleted_by_hand_after_it_was_given() {
    let servers = [Server::start()];
    let (first, second, third) = (
        buffer(&servers).await,
        buffer(&servers).await,
        buffer(&servers).await,
    );
    let held = first.lock("key1").acquire().await.unwrap();
    let given = tokio::spawn(second.lock("key1").acquire());
    standing(&servers[0], 1).await;
    let next = tokio::spawn(third.lock("key1").wait(20 * SECOND).acquire());
    standing(&servers[0], 2).await;
    held.release().await.unwrap();
    let given = given.await.unwrap().unwrap();
    within(SECOND, "it is extended", || given.remaining() > 50 * SECOND).await;
    // The next one was called behind the extension.
    sleep(50 * MS).await;
    servers[0].control().delete(&key("key1"));
    let begun = Instant::now();
    let lock = next.await.unwrap().unwrap();
    assert!(begun.elapsed() < SECOND / 2, "{:?}", begun.elapsed());
    given.release().await.unwrap_err();
    lock.release().await.unwrap();
}

/// A process that stands still while it is given the lock.
#[test]
fn a_waiter_that_hears_no_more_is_passed_over_after_what_it_was_given() {
    let servers = [Server::start()];
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (here, there) = (runtime(), runtime());
    let (holder, patient) =
        here.block_on(async { (buffer(&servers).await, buffer(&servers).await) });
    let still = there.block_on(buffer(&servers));
    let held = here.block_on(holder.lock("key1").acquire()).unwrap();
    // No longer than its TTL, and than ten seconds.
    let stuck = there.spawn(still.lock("key1").ttl(3 * SECOND).acquire());
    // From here on nothing runs there any more.
    there.block_on(standing(&servers[0], 1));
    here.block_on(async {
        let next = tokio::spawn(patient.lock("key1").wait(20 * SECOND).acquire());
        standing(&servers[0], 2).await;
        held.release().await.unwrap();
        let begun = Instant::now();
        let lock = next.await.unwrap().unwrap();
        let took = begun.elapsed();
        assert!((SECOND..6 * SECOND).contains(&took), "{took:?}");
        lock.release().await.unwrap();
    });
    stuck.abort();
}

#[tokio::test]
async fn a_waiter_whose_connection_is_gone_costs_the_others_nothing() {
    let servers = [Server::start()];
    let (holder, patient) = (buffer(&servers).await, buffer(&servers).await);
    let held = holder.lock("key1").acquire().await.unwrap();
    {
        // As if its process had been killed.
        let wire = Proxy::to(servers[0].address());
        let gone = Redlock::builder()
            .nodes([wire.uri()])
            .buffer(Retry::default());
        let gone = gone.connect().await.unwrap();
        let waiting = tokio::spawn(gone.lock("key1").acquire());
        standing(&servers[0], 1).await;
        drop(wire);
        waiting.abort();
        drop(waiting.await);
    }
    let mut control = servers[0].control();
    within(SECOND, "it is not there any more", || {
        control
            .ask::<Vec<String>>(&["PUBSUB", "CHANNELS", "redis_given:*"])
            .len()
            == 2
    })
    .await;
    let next = tokio::spawn(patient.lock("key1").wait(20 * SECOND).acquire());
    standing(&servers[0], 2).await;
    let begun = Instant::now();
    held.release().await.unwrap();
    let lock = next.await.unwrap().unwrap();
    assert!(begun.elapsed() < SECOND / 2, "{:?}", begun.elapsed());
    lock.release().await.unwrap();
}

/// What it was given before its last question is not counted from that question on.
#[tokio::test]
async fn a_waiter_that_hears_late_of_what_it_was_given_does_not_believe_it() {
    let servers = [Server::start()];
    let wire = Proxy::to(servers[0].address());
    let (holder, other) = (buffer(&servers).await, buffer(&servers).await);
    let late = Redlock::builder()
        .nodes([wire.uri()])
        .buffer(Retry::default());
    // So that its connection outlives the silence.
    let late = late.node_timeout(10 * SECOND).connect().await.unwrap();
    let held = holder.lock("key1").acquire().await.unwrap();
    let waiting = tokio::spawn(late.lock("key1").ttl(3 * SECOND).acquire());
    standing(&servers[0], 1).await;
    // It watches the lock key by now, and sleeps.
    sleep(50 * MS).await;
    let next = tokio::spawn(other.lock("key1").wait(20 * SECOND).acquire());
    standing(&servers[0], 2).await;
    wire.hold(Way::Requests);
    wire.hold(Way::Replies);
    held.release().await.unwrap();
    let lock = next.await.unwrap().unwrap();
    wire.pass();
    // It hears that it was given the lock, and that its question, asked later, is refused.
    sleep(SECOND).await;
    assert!(!waiting.is_finished());
    let token = lock.fencing_token();
    lock.release().await.unwrap();
    let lock = waiting.await.unwrap().unwrap();
    assert!(lock.fencing_token() > token);
    lock.release().await.unwrap();
}
