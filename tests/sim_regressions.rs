//! Schedules that once broke a rule of the lock protocol, each with the sentence that it broke.

use std::time::Duration;

use klg_lock::testing::{Memory, MemoryServer};
use klg_lock::{LockError, NodeErrorKind, Redlock, Retry};
use tokio::time::{Instant, sleep};

const TTL: Duration = Duration::from_secs(10);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn servers(name: &str, count: usize) -> Vec<MemoryServer> {
    (0..count)
        .map(|node| MemoryServer::named(&format!("regression-{name}-{node}")))
        .collect()
}

async fn engine(servers: &[MemoryServer]) -> Redlock {
    Redlock::builder()
        .nodes(servers.iter().map(MemoryServer::uri))
        .ttl(TTL)
        .buffer(Retry::default())
        .connect()
        .await
        .unwrap()
}

/// "Own releases push nothing: local waiters are woken in the process."
#[tokio::test(start_paused = true)]
async fn a_waiter_outside_the_nodes_queue_is_woken_by_a_release_of_its_own_process() {
    let servers = servers("outside", 1);
    let redlock = engine(&servers).await;
    let ordered = redlock.lock("k").fair(true).acquire().await.unwrap();
    let both = redlock.clone();
    let waiting = tokio::spawn(async move { both.lock(["k", "l"]).acquire().await });
    sleep(ms(50)).await;
    let began = Instant::now();
    ordered.release().await.unwrap();
    drop(waiting.await.unwrap().unwrap());
    assert!(began.elapsed() < ms(10), "{:?}", began.elapsed());
}

/// "No new lock is taken once it has been polled", and none is left behind on the nodes.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_granted_during_a_shutdown_is_given_back() {
    let servers = servers("shutdown", 1);
    let redlock = engine(&servers).await;
    servers[0].delay_replies(ms(100));
    let late = redlock.clone();
    let asking = tokio::spawn(async move { late.lock("k").acquire().await });
    sleep(ms(10)).await;
    redlock.shutdown().await;
    let outcome = asking.await.unwrap();
    assert!(matches!(outcome, Err(LockError::Closed)), "{outcome:?}");
    assert_eq!(servers[0].get("redis_lock:k"), None);
}

/// "Every unanswered release goes again until it is answered or its TTL has passed."
#[tokio::test(start_paused = true)]
async fn a_release_is_repeated_for_as_long_as_an_unanswered_extension_may_last() {
    let servers = servers("prolonged", 1);
    let redlock = engine(&servers).await;
    let lock = redlock
        .lock("k")
        .auto_extend(false)
        .acquire()
        .await
        .unwrap();
    sleep(ms(5_000)).await;
    servers[0].lose_replies(1.0);
    let unsure = lock.extend(TTL * 4).await;
    assert!(
        matches!(unsure, Err(LockError::Unavailable { .. })),
        "{unsure:?}"
    );
    servers[0].crash(Memory::Kept);
    drop(lock);
    sleep(TTL * 2).await;
    assert!(servers[0].ttl("redis_lock:k").is_some());
    servers[0].heal();
    sleep(ms(700)).await;
    assert_eq!(servers[0].get("redis_lock:k"), None);
}

/// "A lock is lost only when a quorum no longer carries its value": one node that has forgotten it
/// and one that does not answer for a moment are no proof.
#[tokio::test(start_paused = true)]
async fn one_forgetful_and_one_failing_node_do_not_end_a_lock() {
    let servers = servers("unsure", 3);
    let redlock = engine(&servers).await;
    let lock = redlock.lock("k").acquire().await.unwrap();
    servers[0].crash(Memory::Lost);
    servers[0].recover();
    servers[1].fail(NodeErrorKind::Loading);
    sleep(ms(4_500)).await;
    assert!(lock.is_valid());
    servers[1].recover();
    sleep(TTL * 2).await;
    assert!(lock.is_valid());
    lock.release().await.unwrap();
}

/// "`Lost` within the validity of its lock": a node that never granted is no proof of a loss.
#[tokio::test(start_paused = true)]
async fn a_release_that_meets_a_failing_node_is_no_loss() {
    let servers = servers("release-unsure", 3);
    let redlock = engine(&servers).await;
    servers[0].fail(NodeErrorKind::Unreachable);
    let lock = redlock.lock("k").ttl(ms(300)).acquire().await.unwrap();
    servers[0].recover();
    servers[1].fail(NodeErrorKind::Unreachable);
    let released = lock.release().await;
    assert!(
        matches!(released, Err(LockError::Unavailable { .. })),
        "{released:?}"
    );
}

/// "No panic": the keeper extends all locks, and one without bound must not end it.
#[tokio::test(start_paused = true)]
async fn the_longest_possible_bound_does_not_stop_the_extensions() {
    let servers = servers("unbounded", 1);
    let redlock = engine(&servers).await;
    let lock = redlock
        .lock("k")
        .max_hold(Duration::MAX)
        .acquire()
        .await
        .unwrap();
    let other = redlock.lock("l").acquire().await.unwrap();
    sleep(TTL * 3).await;
    assert!(lock.is_valid() && other.is_valid());
}

/// "A timer at the smallest remaining TTL that could free a quorum": a node that has not answered
/// may be free.
#[tokio::test(start_paused = true)]
async fn a_waiter_asks_when_the_first_of_two_holders_expires() {
    let servers = servers("smallest", 3);
    let redlock = engine(&servers).await;
    servers[0].set("redis_lock:k", "one", Some(Duration::from_secs(60)));
    servers[1].set("redis_lock:k", "two", Some(Duration::from_secs(2)));
    servers[2].delay_replies(ms(20));
    servers[0].lose_pushes();
    servers[1].lose_pushes();
    let began = Instant::now();
    let _lock = redlock.lock("k").acquire().await.unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

/// "`Lost` within the validity of its lock": the repeat of a release whose answer got lost finds the
/// key gone, and is no loss.
#[tokio::test(start_paused = true)]
async fn a_repeated_release_is_no_loss() {
    let servers = servers("repeated", 1);
    let redlock = engine(&servers).await;
    servers[0].set_deadline(ms(100));
    let lock = redlock.lock("k").acquire().await.unwrap();
    servers[0].lose_replies(1.0);
    let releasing = tokio::spawn(lock.release());
    sleep(ms(50)).await;
    servers[0].heal();
    releasing.await.unwrap().unwrap();
}

/// "`Lost` within the validity of its lock": keys that expire while the release is on its way were
/// not lost.
#[tokio::test(start_paused = true)]
async fn a_release_that_arrives_after_the_end_is_no_loss() {
    let servers = servers("late", 1);
    let redlock = engine(&servers).await;
    let request = redlock.lock("k").ttl(ms(200)).auto_extend(false);
    let lock = request.acquire().await.unwrap();
    sleep(ms(150)).await;
    servers[0].delay_requests(ms(100));
    assert!(lock.is_valid());
    lock.release().await.unwrap();
    // One that is deleted by hand is.
    servers[0].heal();
    let lock = redlock.lock("k").acquire().await.unwrap();
    servers[0].delete("redis_lock:k");
    let released = lock.release().await;
    assert!(
        matches!(released, Err(LockError::Lost { .. })),
        "{released:?}"
    );
}
