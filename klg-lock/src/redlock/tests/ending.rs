//! What is left when a guard, a future or the engine goes.

use std::time::Duration;

use super::engine;
use crate::error::LockError;

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
