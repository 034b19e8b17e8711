//! A lock that is lost: the body is dropped at its next await and the caller gets `Lost`, or with
//! `on_lost = signal` it runs on and `lost()` resolves.
#![deny(warnings)]

use klg_lock::{LockError, mutex_lock};
use klg_lock_ui_tests::{AppError, Probe, journal, on_memory};
use tokio::time::{Duration, sleep};

#[mutex_lock("cancel", ttl = "100ms", max_hold = "50ms")]
async fn cancelled(_probe: Probe) -> Result<(), AppError> {
    sleep(Duration::from_secs(60)).await;
    panic!("ran on");
}

#[mutex_lock("signal", max_hold = "50ms", on_lost = signal, guard = lock)]
async fn signalled() -> Result<&'static str, AppError> {
    lock.lost().await;
    assert!(!lock.is_valid());
    Ok("its own result")
}

#[mutex_lock("handled", ttl = "1s", auto_extend = false, max_hold = 50, on_lost = cancel,
    on_locked = "locked", on_error = |error| { assert!(matches!(error, LockError::Lost { .. })); "lost" })]
async fn handled() -> &'static str {
    std::future::pending().await
}

fn main() {
    on_memory(async {
        let lost = cancelled(Probe("argument")).await;
        assert!(matches!(lost, Err(AppError::Lock(LockError::Lost { .. }))));
        assert_eq!(journal().len(), 1);
        assert_eq!(signalled().await.unwrap(), "its own result");
        assert_eq!(handled().await, "lost");
    });
}
