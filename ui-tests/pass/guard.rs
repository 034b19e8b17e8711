//! `guard = name`: the lock's handle, in scope in the body, to keep and to pass on.
#![deny(warnings)]

use klg_lock::{LockHandle, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory, send};
use tokio::time::Duration;

#[mutex_lock("guarded", ttl = "20s", guard = lock)]
async fn guarded(previous: u64) -> Result<(u64, LockHandle), AppError> {
    assert!(lock.is_valid() && lock.remaining() <= Duration::from_secs(20));
    assert!(lock.resources().eq(["guarded"]));
    lock.extend(Duration::from_secs(40)).await?;
    assert!(lock.remaining() > Duration::from_secs(20));
    let token = u64::from(lock.fencing_token());
    assert!(token > previous);
    let elsewhere = lock.clone();
    tokio::spawn(async move { assert!(elsewhere.is_valid()) })
        .await
        .unwrap();
    Ok((token, lock))
}

fn main() {
    on_memory(async {
        let (first, handle) = send(guarded(0)).await.unwrap();
        assert!(!handle.is_valid(), "a handle does not keep the lock");
        guarded(first).await.unwrap();
    });
}
