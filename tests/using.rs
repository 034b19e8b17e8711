//! What `using` and `try_using` promise of the routine they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use klg_lock::{LockError, OnLost, Redlock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, key, lock_keys, mutex};
use klg_lock_tests::poll::within;
use tokio::task::yield_now;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Notes, when it is dropped, whether its lock was still on the server.
struct Witness<'a> {
    server: &'a Server,
    seen: &'a AtomicUsize,
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if lock_keys(self.server).is_empty() {
            panic!("dropped after the release");
        }
        self.seen.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, PartialEq)]
enum AppError {
    Mine(&'static str),
    Lock(String),
}

impl From<LockError> for AppError {
    fn from(error: LockError) -> Self {
        Self::Lock(error.to_string())
    }
}

#[tokio::test]
async fn the_routine_runs_under_the_lock_and_its_result_comes_back() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let output = mutex
        .using("key1", |lock| {
            let keys = lock_keys(&servers[0]);
            async move { (keys, lock.is_valid()) }
        })
        .await
        .unwrap();
    assert_eq!(output, ([key("key1")].into(), true));
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn errors_of_the_routine_and_of_the_lock_come_through_one_door() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let fails = mutex.try_using("key1", async |_| Err::<(), _>(AppError::Mine("no")));
    assert_eq!(fails.await, Err(AppError::Mine("no")));
    assert!(are_clean(&servers));

    let _held = mutex.lock("key1").acquire().await.unwrap();
    let refused = mutex.try_using("key1", async |_| Ok::<_, AppError>(()));
    assert!(matches!(refused.await, Err(AppError::Lock(text)) if text.contains("key1")));
}

#[tokio::test]
async fn locals_and_captures_are_dropped_before_the_release() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let seen = AtomicUsize::new(0);
    let request = mutex.lock("key1");
    let witness = || Witness {
        server: &servers[0],
        seen: &seen,
    };
    let captured = witness();
    request
        .using(move |_| async move {
            let _local = witness();
            yield_now().await;
            // Captured by the future, and named so that it is.
            let _ = &captured;
        })
        .await
        .unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_captured_value_that_the_routine_never_used_is_dropped_before_the_release() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let seen = AtomicUsize::new(0);
    let unused = Witness {
        server: &servers[0],
        seen: &seen,
    };
    let routine = move |_| {
        let future = async {};
        // Captured by the closure, and not moved into its future.
        let _ = &unused;
        future
    };
    mutex.using("key1", routine).await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_releases_after_the_locals_are_dropped() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let server = Arc::new(servers);
    let seen = Arc::new(AtomicUsize::new(0));
    let task = tokio::spawn({
        let (mutex, server, seen) = (mutex.clone(), Arc::clone(&server), Arc::clone(&seen));
        async move {
            mutex
                .using("key1", async |_| {
                    let _local = Witness {
                        server: &server[0],
                        seen: &seen,
                    };
                    yield_now().await;
                    panic!("by intent");
                })
                .await
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    within(SECOND, "the key is gone", || are_clean(&*server)).await;
}

#[tokio::test]
async fn a_caller_that_goes_away_releases_after_the_locals_are_dropped() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let seen = AtomicUsize::new(0);
    let running = mutex.using("key1", async |_| {
        let _local = Witness {
            server: &servers[0],
            seen: &seen,
        };
        std::future::pending::<()>().await;
    });
    let given_up = tokio::time::timeout(100 * MS, running).await;
    assert!(given_up.is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
}

#[tokio::test]
async fn the_key_stays_through_three_ttls_of_a_long_routine() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let ttl = 300 * MS;
    mutex
        .lock("key1")
        .ttl(ttl)
        .using(async |lock| {
            let mut control = servers[0].control();
            let value = control.get(&key("key1"));
            let begun = Instant::now();
            while begun.elapsed() < 3 * ttl {
                assert_eq!(control.get(&key("key1")), value);
                assert!(lock.is_valid());
                sleep(10 * MS).await;
            }
        })
        .await
        .unwrap();
    assert!(are_clean(&servers));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn using_is_exclusive_among_engines_that_run_side_by_side() {
    let servers = Server::start_many::<3>();
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let buffer = buffer(&servers).await;
        for _ in 0..4 {
            let (buffer, inside) = (buffer.clone(), Arc::clone(&inside));
            tasks.spawn(async move {
                for _ in 0..10 {
                    buffer
                        .using("key1", async |_| {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                            sleep(MS).await;
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        })
                        .await
                        .unwrap();
                }
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
}

/// Runs a routine under a lock of one second, takes the lock away after 100 ms, and tells what came
/// of it, after what time, and how far the routine got (of 100 steps, 20 ms each).
async fn lose(
    mutex: &Redlock,
    on_lost: OnLost,
    take_away: impl FnOnce(),
) -> (Result<&'static str, LockError>, Duration, usize) {
    let steps = AtomicUsize::new(0);
    let running = mutex
        .lock("key1")
        .ttl(SECOND)
        .on_lost(on_lost)
        .using(async |lock| {
            for _ in 0..100 {
                tokio::select! {
                    () = sleep(20 * MS) => steps.fetch_add(1, Ordering::SeqCst),
                    () = lock.lost() => return "told",
                };
            }
            "never told"
        });
    let taking = async {
        sleep(100 * MS).await;
        take_away();
        Instant::now()
    };
    let (result, taken) = tokio::join!(
        async {
            let result = running.await;
            (result, Instant::now())
        },
        taking
    );
    let (result, ended) = result;
    (result, ended - taken, steps.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_routine_whose_key_was_deleted_is_dropped_and_its_caller_told() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let take = || assert!(servers[0].control().delete(&key("key1")));
    let (result, after, steps) = lose(&mutex, OnLost::Cancel, take).await;
    assert!(matches!(&result, Err(LockError::Lost { resource, .. }) if &**resource == "key1"));
    assert!(after < SECOND, "{after:?}");
    assert!(steps < 60, "{steps}");
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn a_routine_whose_lock_was_taken_over_is_dropped_and_leaves_the_other_alone() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let take = || {
        let mut control = servers[0].control();
        control.delete(&key("key1"));
        assert!(control.set_if_absent(&key("key1"), "another's", 60 * SECOND));
    };
    let (result, after, _) = lose(&mutex, OnLost::Cancel, take).await;
    assert!(matches!(result, Err(LockError::Lost { .. })));
    assert!(after < SECOND, "{after:?}");
    let value = servers[0].control().get(&key("key1"));
    assert_eq!(value.as_deref(), Some("another's"));
}

#[tokio::test]
async fn a_routine_that_asked_for_a_signal_goes_on_and_is_told() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let take = || assert!(servers[0].control().delete(&key("key1")));
    let (result, after, _) = lose(&mutex, OnLost::Signal, take).await;
    assert_eq!(result.unwrap(), "told");
    assert!(after < SECOND, "{after:?}");
}

#[tokio::test]
async fn a_routine_is_dropped_within_the_validity_when_its_server_dies() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let (result, after, _) = lose(&mutex, OnLost::Cancel, || servers[0].kill()).await;
    assert!(matches!(result, Err(LockError::Lost { .. })));
    assert!(after < SECOND, "{after:?}");
}

#[tokio::test]
async fn a_routine_is_dropped_within_the_validity_when_its_server_hangs() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let (result, after, _) = lose(&mutex, OnLost::Cancel, || servers[0].pause()).await;
    assert!(matches!(result, Err(LockError::Lost { .. })));
    assert!(after < SECOND, "{after:?}");
    servers[0].resume();
    within(2 * SECOND, "the key is gone", || are_clean(&servers)).await;
}

#[tokio::test]
async fn max_hold_ends_the_routine() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(200 * MS).max_hold(500 * MS);
    let begun = Instant::now();
    let result = request.using(async |_| sleep(10 * SECOND).await).await;
    let took = begun.elapsed();
    assert!(matches!(result, Err(LockError::Lost { .. })), "{result:?}");
    assert!(took > 450 * MS && took < 700 * MS, "{took:?}");
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_failure_to_release_never_replaces_the_result() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(5 * SECOND);
    let result = request
        .using(async |_| {
            servers[0].kill();
            "done"
        })
        .await;
    assert_eq!(result.unwrap(), "done");
}

#[tokio::test]
async fn a_key_that_vanished_just_before_the_end_does_not_replace_the_result() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let result = mutex
        .using("key1", async |_| {
            servers[0].control().flush_all();
            "done"
        })
        .await;
    assert_eq!(result.unwrap(), "done");
}

#[tokio::test]
async fn a_task_that_would_wait_for_itself_is_told_at_once() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    let begun = Instant::now();
    let inner = buffer
        .using("key1", async |_| buffer.using("key1", async |_| ()).await)
        .await
        .unwrap();
    assert!(
        matches!(&inner, Err(LockError::WouldDeadlock { resource }) if &**resource == "key1"),
        "{inner:?}"
    );
    let overlapping = buffer
        .using(["a", "b"], async |_| {
            buffer.using(["b", "c"], async |_| ()).await
        })
        .await
        .unwrap();
    assert!(matches!(overlapping, Err(LockError::WouldDeadlock { .. })));
    // Other resources nest, and a task of its own has to wait like everybody else.
    buffer
        .using("key1", async |_| buffer.using("key2", async |_| ()).await)
        .await
        .unwrap()
        .unwrap();
    let spawned = buffer
        .using("key1", async |_| {
            let waiting = buffer.lock("key1").wait(50 * MS).using(async |_| ());
            tokio::spawn(waiting).await.unwrap()
        })
        .await
        .unwrap();
    assert!(matches!(spawned, Err(LockError::Timeout { .. })));
    assert!(begun.elapsed() < 5 * SECOND);
}
