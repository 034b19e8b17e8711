//! A lock that is held: extended, bounded, and lost.

use std::time::Duration;

use super::{TTL, engine};
use crate::error::LockError;
use crate::redlock::{OnLost, Redlock, Retry};

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
