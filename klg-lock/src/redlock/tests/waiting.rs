//! Those who wait: woken, in order, and never for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::engine;
use crate::error::LockError;

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
