//! The engine on memory nodes, with time paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::{OnLost, Redlock, Retry};
use crate::error::LockError;

const TTL: Duration = Duration::from_secs(10);

async fn engine(nodes: &[&str]) -> Redlock {
    Redlock::builder()
        .nodes(nodes.iter().copied())
        .ttl(TTL)
        .connect()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_mutex_fails_at_once_while_it_is_held() {
    let redlock = engine(&["memory://"]).await;
    let lock = redlock.lock("key1").acquire().await.unwrap();
    assert!(lock.is_valid());
    assert_eq!(lock.resources().collect::<Vec<_>>(), ["key1"]);
    let error = redlock.lock("key1").acquire().await.unwrap_err();
    let LockError::Contended {
        resource,
        holder,
        remaining,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(&**resource, "key1");
    assert!(
        holder
            .as_ref()
            .is_some_and(|h| h.description.contains(&std::process::id().to_string()))
    );
    assert!(remaining.is_some_and(|r| r > Duration::from_secs(9)));
    let before = lock.fencing_token();
    lock.release().await.unwrap();
    let lock = redlock.lock("key1").acquire().await.unwrap();
    assert!(lock.fencing_token() > before);
}

#[tokio::test(start_paused = true)]
async fn another_engine_is_contended_and_told_who_holds_it() {
    let (a, b) = (
        engine(&["memory://contended"]).await,
        engine(&["memory://contended"]).await,
    );
    let lock = a.lock("k").acquire().await.unwrap();
    let error = b.lock("k").acquire().await.unwrap_err();
    assert!(
        matches!(
            &error,
            LockError::Contended {
                holder: Some(_),
                remaining: Some(_),
                ..
            }
        ),
        "{error}"
    );
    let seen = b.inspect("k").await.unwrap().unwrap();
    assert!(seen.since.is_some() && seen.remaining.is_some_and(|r| r <= TTL));
    drop(lock);
    assert_eq!(b.inspect("k").await.unwrap(), None);
    let _lock = b.lock("k").acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_buffer_waits_its_turn_and_is_woken_by_a_release() {
    let (a, b) = (
        engine(&["memory://woken"]).await,
        engine(&["memory://woken"]).await,
    );
    let lock = a.lock("k").acquire().await.unwrap();
    let began = tokio::time::Instant::now();
    let waiter = tokio::spawn(async move {
        b.as_buffer()
            .lock("k")
            .acquire()
            .await
            .map(|lock| (lock, began.elapsed()))
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    lock.release().await.unwrap();
    let (_lock, waited) = waiter.await.unwrap().unwrap();
    assert!(
        waited >= Duration::from_secs(3) && waited < Duration::from_millis(3_010),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_waiter_gives_up_with_the_holders_name() {
    let (a, b) = (
        engine(&["memory://gives-up"]).await,
        engine(&["memory://gives-up"]).await,
    );
    let _lock = a.lock("k").acquire().await.unwrap();
    let began = tokio::time::Instant::now();
    let error = b
        .lock("k")
        .wait(Duration::from_secs(3))
        .acquire()
        .await
        .unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert!(
        matches!(&error, LockError::Timeout { holder: Some(_), attempts, .. } if *attempts >= 1),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lock_outlives_its_ttl_while_its_body_runs() {
    let (a, b) = (
        engine(&["memory://extended"]).await,
        engine(&["memory://extended"]).await,
    );
    let outcome = a
        .using("k", |lock| async move {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(lock.is_valid());
                assert!(b.lock("k").acquire().await.is_err());
            }
            7
        })
        .await;
    assert_eq!(outcome.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn without_extension_a_body_is_cancelled_when_validity_ends() {
    let redlock = engine(&["memory://"]).await;
    let began = tokio::time::Instant::now();
    let error = redlock
        .lock("k")
        .auto_extend(false)
        .using(|_lock| tokio::time::sleep(Duration::from_secs(60)))
        .await
        .unwrap_err();
    assert!(matches!(error, LockError::Lost { .. }), "{error}");
    assert!(began.elapsed() < TTL && began.elapsed() > TTL.mul_f64(0.98));
    let _lock = redlock.lock("k").acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn max_hold_ends_a_lock_that_is_extended() {
    let redlock = engine(&["memory://"]).await;
    let began = tokio::time::Instant::now();
    let error = redlock
        .lock("k")
        .max_hold(Duration::from_secs(25))
        .using(|_| std::future::pending::<()>())
        .await
        .unwrap_err();
    assert!(
        matches!(error, LockError::Lost { held_for, .. } if held_for >= Duration::from_secs(25)),
        "{error}"
    );
    assert!(
        began.elapsed() < Duration::from_millis(25_300),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_signalled_body_goes_on_after_the_loss() {
    let redlock = engine(&["memory://"]).await;
    let outcome = redlock
        .lock("k")
        .auto_extend(false)
        .on_lost(OnLost::Signal)
        .using(|lock| async move {
            lock.lost().await;
            assert!(!lock.is_valid());
            tokio::time::sleep(Duration::from_secs(1)).await;
            "done"
        })
        .await;
    assert_eq!(outcome.unwrap(), "done");
}

#[tokio::test(start_paused = true)]
async fn locking_again_in_the_same_task_is_told_at_once() {
    let redlock = engine(&["memory://"]).await.as_buffer();
    let inner = redlock.clone();
    let error = redlock
        .using("k", |_| async move {
            inner.using(["other", "k"], |_| async {}).await.unwrap_err()
        })
        .await
        .unwrap();
    assert!(matches!(error, LockError::WouldDeadlock { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn overlapping_sets_do_not_block_each_other_for_ever() {
    let redlock = engine(&["memory://"]).await.as_buffer();
    let done = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..60)
        .map(|i| {
            let (redlock, done) = (redlock.clone(), Arc::clone(&done));
            let set = [["a", "b"], ["b", "c"], ["c", "a"]][i % 3];
            tokio::spawn(async move {
                redlock
                    .using(set, |_| tokio::time::sleep(Duration::from_millis(5)))
                    .await
                    .unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(done.load(Ordering::Relaxed), 60);
    assert_eq!(redlock.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn holders_in_one_process_come_in_order_with_rising_tokens() {
    let redlock = engine(&["memory://"]).await.as_buffer();
    let last = Arc::new(AtomicU64::new(0));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..200_u32)
        .map(|i| {
            let (redlock, last, order) = (redlock.clone(), Arc::clone(&last), Arc::clone(&order));
            tokio::spawn(async move {
                redlock
                    .using("k", |lock| async move {
                        let token = u64::from(lock.fencing_token());
                        assert!(last.swap(token, Ordering::Relaxed) < token);
                        order.lock().unwrap().push(i);
                    })
                    .await
                    .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn five_nodes_agree_on_one_token_and_survive_two() {
    let nodes = [
        "memory://five-1",
        "memory://five-2",
        "memory://five-3",
        "memory://five-4",
        "memory://five-5",
    ];
    let redlock = engine(&nodes).await;
    let first = redlock.lock(["a", "b"]).acquire().await.unwrap();
    let token = first.fencing_token();
    first.release().await.unwrap();
    for down in &nodes[..2] {
        crate::testing::MemoryServer::named(down.strip_prefix("memory://").unwrap())
            .crash(crate::testing::Memory::Kept);
    }
    let second = redlock.lock("b").acquire().await.unwrap();
    assert!(second.fencing_token() > token);
    second.release().await.unwrap();
    crate::testing::MemoryServer::named("five-3").crash(crate::testing::Memory::Kept);
    let error = redlock.lock("b").acquire().await.unwrap_err();
    assert!(
        matches!(&error, LockError::Unavailable { votes, .. } if votes.len() == 3),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_guard_and_a_dropped_future_leave_nothing_behind() {
    let server = crate::testing::MemoryServer::named("dropped");
    let redlock = engine(&["memory://dropped"]).await.as_buffer();
    let lock = redlock.lock("k").acquire().await.unwrap();
    std::thread::spawn(move || drop(lock)).join().unwrap();
    assert_eq!(redlock.held(), 0);
    let held = redlock.lock("k").acquire().await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), redlock.lock("k").acquire())
            .await
            .is_err()
    );
    held.release().await.unwrap();
    assert!(
        tokio::time::timeout(
            Duration::from_secs(1),
            redlock.using("k", |_| std::future::pending::<()>())
        )
        .await
        .is_err()
    );
    assert!(
        server
            .keys()
            .iter()
            .all(|key| !key.contains("lock:k") || key.contains("fence")),
        "{:?}",
        server.keys()
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_the_key_by_hand_loses_the_lock() {
    let server = crate::testing::MemoryServer::named("deleted");
    let redlock = engine(&["memory://deleted"]).await;
    let other = engine(&["memory://deleted"]).await;
    let lock = redlock.lock("k").acquire().await.unwrap();
    let _ = other.lock("k").acquire().await;
    server.delete("redis_lock:k");
    lock.lost().await;
    assert!(matches!(lock.release().await, Err(LockError::Lost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_short_of_numbers_or_time_is_extended_before_it_goes_on() {
    let redlock = Redlock::builder()
        .nodes(["memory://"])
        .ttl(TTL)
        .handover(1000, Duration::from_secs(3600))
        .buffer(Retry::default())
        .connect()
        .await
        .unwrap();
    let tasks: Vec<_> = (0..100)
        .map(|i| {
            let redlock = redlock.clone();
            tokio::spawn(async move {
                let lock = redlock
                    .lock("k")
                    .auto_extend(i % 2 == 0)
                    .acquire()
                    .await
                    .unwrap();
                assert!(lock.remaining() > TTL / 2, "{:?}", lock.remaining());
                tokio::time::sleep(Duration::from_millis(700)).await;
                lock.release().await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_bodies_finish_and_releases_guards() {
    let redlock = engine(&["memory://shut"]).await.as_buffer();
    let guard = redlock.lock("guarded").acquire().await.unwrap();
    let (r, waiting) = (redlock.clone(), redlock.clone());
    let body = tokio::spawn(async move {
        r.using("k", |_| tokio::time::sleep(Duration::from_secs(2)))
            .await
    });
    let waiter = tokio::spawn(async move { waiting.lock("guarded").acquire().await });
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    redlock.shutdown().await;
    assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_secs(3));
    body.await.unwrap().unwrap();
    assert!(matches!(waiter.await.unwrap(), Err(LockError::Closed)));
    assert!(!guard.is_valid());
    assert!(matches!(
        redlock.lock("x").acquire().await,
        Err(LockError::Closed)
    ));
}

#[tokio::test(start_paused = true)]
async fn fair_requests_are_served_in_the_order_in_which_they_came_across_engines() {
    let engines = [
        engine(&["memory://fair"]).await.as_buffer(),
        engine(&["memory://fair"]).await.as_buffer(),
        engine(&["memory://fair"]).await.as_buffer(),
    ];
    let first = engines[0].lock("k").acquire().await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for i in 0..30_usize {
        let (redlock, order) = (engines[i % 3].clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let request = redlock.lock("k").fair(true);
            request
                .using(|_| async move {
                    order.lock().unwrap().push(i);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                })
                .await
                .unwrap();
        }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Two give up in the middle; nobody waits for them.
    tasks[7].abort();
    tasks[20].abort();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let began = tokio::time::Instant::now();
    first.release().await.unwrap();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.is_ok(), i != 7 && i != 20);
    }
    let expected: Vec<usize> = (0..30).filter(|i| *i != 7 && *i != 20).collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert!(
        began.elapsed() < Duration::from_millis(28 * 4 + 100),
        "{:?}",
        began.elapsed()
    );
    let server = crate::testing::MemoryServer::named("fair");
    assert!(
        server.keys().iter().all(|key| key.contains("fence")),
        "{:?}",
        server.keys()
    );
}

#[tokio::test(start_paused = true)]
async fn a_fair_waiter_whose_process_died_is_passed_over() {
    let dead = engine(&["memory://fair-dead"]).await.as_buffer();
    let alive = engine(&["memory://fair-dead"]).await.as_buffer();
    let holder = engine(&["memory://fair-dead"])
        .await
        .lock("k")
        .acquire()
        .await
        .unwrap();
    // A process that dies says nothing: a future that is forgotten gives no place up.
    let mut asking = Box::pin(dead.lock("k").fair(true).acquire());
    assert!(
        tokio::time::timeout(Duration::from_millis(10), &mut asking)
            .await
            .is_err()
    );
    std::mem::forget(asking);
    let waiter = tokio::spawn(async move { alive.lock("k").fair(true).acquire().await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    holder.release().await.unwrap();
    let _lock = waiter.await.unwrap().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_mutex_try_behind_a_waiter_for_more_is_contended_at_once() {
    let redlock = engine(&["memory://"]).await;
    let _a = redlock.lock("a").acquire().await.unwrap();
    let both = redlock.as_buffer().lock(["a", "b"]).acquire();
    let both = tokio::spawn(both);
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    let error = redlock.lock("b").acquire().await.unwrap_err();
    assert!(matches!(error, LockError::Contended { .. }), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    both.abort();
}

#[tokio::test(start_paused = true)]
async fn a_mutex_try_behind_a_waiter_is_told_of_an_outage() {
    let server = crate::testing::MemoryServer::named("outage-behind");
    let redlock = engine(&["memory://outage-behind"]).await;
    server.hang();
    let waiting = redlock.as_buffer().lock("k").acquire();
    let waiting = tokio::spawn(waiting);
    tokio::task::yield_now().await;
    let tried = tokio::time::timeout(TTL, redlock.lock("k").acquire()).await;
    let error = tried.expect("an answer").unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    server.recover();
    waiting.await.unwrap().unwrap().release().await.unwrap();
}

/// Nobody is left to carry the extension out; its caller may not wait for that.
#[test]
fn an_extension_whose_runtime_has_ended_says_so() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let home = runtime();
    let lock = home.block_on(async {
        let redlock = engine(&["memory://"]).await;
        redlock.lock("k").acquire().await.unwrap()
    });
    drop(home);
    let extended = runtime().block_on(async {
        let extension = lock.extend(TTL * 2);
        tokio::time::timeout(TTL, extension)
            .await
            .expect("it is answered")
    });
    let error = extended.unwrap_err();
    assert!(
        matches!(error, LockError::Unavailable { .. }) && error.to_string().contains("runtime"),
        "{error}"
    );
    assert!(lock.is_valid());
}
