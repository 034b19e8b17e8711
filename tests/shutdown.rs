//! The end of an engine and of a registry: nothing is left on the servers, and nothing connected.

use std::time::{Duration, Instant};

use klg_lock::LockError;
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, mutex, registry};
use klg_lock_tests::poll::within;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn shutdown_releases_what_is_held_and_closes_the_connections() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let held = mutex.lock("key1").acquire().await.unwrap();
    let _more = mutex.lock(["key2", "key3"]).acquire().await.unwrap();
    mutex.shutdown().await;
    assert!(!held.is_valid());
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
    let refused = mutex.lock("key4").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Closed), "{refused}");
    within(SECOND, "nobody is connected", || {
        servers
            .iter()
            .all(|server| server.control().clients().is_empty())
    })
    .await;
}

#[tokio::test]
async fn shutdown_waits_for_the_routines_that_run() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let running = mutex.using("key1", async |_| {
        sleep(300 * MS).await;
        "done"
    });
    let running = tokio::join!(running, async {
        sleep(50 * MS).await;
        let begun = Instant::now();
        mutex.shutdown().await;
        begun.elapsed()
    });
    assert_eq!(running.0.unwrap(), "done");
    assert!(running.1 > 200 * MS, "{:?}", running.1);
    assert!(are_clean(&servers));
}

/// A lock that ended by its bound while the engine shut down left its key: its holder was told, and
/// shut down, before the release was queued.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_ends_by_itself_as_the_engine_shuts_down_is_released() {
    let servers = [Server::start()];
    for _ in 0..40 {
        let mutex = mutex(&servers).await;
        let request = mutex.lock("key1").max_hold(10 * MS);
        let ended = request.using(async |_| sleep(SECOND).await).await;
        assert!(matches!(ended, Err(LockError::Lost { .. })), "{ended:?}");
        mutex.shutdown().await;
        assert!(are_clean(&servers));
    }
}

#[tokio::test]
async fn waiters_are_told_that_the_engine_is_closed() {
    let servers = [Server::start()];
    let (holder, waiter) = (mutex(&servers).await, buffer(&servers).await);
    let _held = holder.lock("key1").acquire().await.unwrap();
    let first = tokio::spawn(waiter.lock("key1").acquire());
    let second = tokio::spawn(waiter.lock("key1").acquire());
    sleep(50 * MS).await;
    waiter.shutdown().await;
    for waiting in [first, second] {
        let told = waiting.await.unwrap().unwrap_err();
        assert!(matches!(told, LockError::Closed), "{told}");
    }
}

#[tokio::test]
async fn shutdown_is_bounded_when_a_server_hangs() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let _held = mutex.lock("key1").acquire().await.unwrap();
    servers[0].pause();
    let begun = Instant::now();
    mutex.shutdown().await;
    assert!(begun.elapsed() < 12 * SECOND, "{:?}", begun.elapsed());
    within(SECOND, "the others are clean", || are_clean(&servers[1..])).await;
}

#[tokio::test]
async fn a_registry_that_is_shut_down_releases_and_closes_everything() {
    let server = Server::start();
    let registry = registry(&server).await;
    let lock = registry.mutex().lock("key1").acquire().await.unwrap();
    registry.shutdown().await.unwrap();
    assert!(!lock.is_valid());
    let servers = [server];
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
    within(SECOND, "nobody is connected", || {
        servers[0].control().clients().is_empty()
    })
    .await;
    let refused = registry.buffer().lock("key1").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Closed), "{refused}");
}

#[tokio::test]
async fn connections_do_not_grow_with_use() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    buffer.using("key1", async |_| ()).await.unwrap();
    let before = servers[0].control().clients().len();
    assert!(before <= 2, "{before} connections for one engine");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50 {
        let buffer = buffer.clone();
        tasks.spawn(async move {
            for round in 0..10 {
                let name = format!("{}", (task + round) % 7);
                buffer.using(name, async |_| ()).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(servers[0].control().clients().len(), before);
}

#[tokio::test]
async fn a_dropped_engine_closes_its_connections() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").acquire().await.unwrap();
    drop(mutex);
    // A lock keeps what it needs.
    lock.extend(90 * SECOND).await.unwrap();
    drop(lock);
    within(2 * SECOND, "nothing is left", || are_clean(&servers)).await;
    within(2 * SECOND, "nobody is connected", || {
        servers[0].control().clients().is_empty()
    })
    .await;
}

#[tokio::test]
async fn thousands_of_locks_are_held_and_extended_over_one_connection() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let mut held = Vec::new();
    for index in 0..5_000 {
        let request = mutex.lock(format!("key{index}")).ttl(3 * SECOND);
        held.push(request.acquire().await.unwrap());
    }
    sleep(4 * SECOND).await;
    assert!(held.iter().all(|lock| lock.is_valid()));
    assert!(servers[0].control().clients().len() <= 2);
    assert_eq!(mutex.held(), 5_000);
    drop(held);
    within(5 * SECOND, "nothing is left", || are_clean(&servers)).await;
    assert_eq!(mutex.held(), 0);
}
