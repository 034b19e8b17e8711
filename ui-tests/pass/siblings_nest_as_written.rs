//! Several attributes on one function nest as written, the top one outermost, whatever stands between
//! them; each has its key and its guard.
#![deny(warnings)]

use klg_lock::{LockError, buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, locked, on_memory, send};

#[mutex_lock("first", guard = outer)]
/// Documented in between.
#[buffer_lock(guard = inner, scope = "second")]
#[inline]
#[klg_lock::mutex_lock(key = id + 1)]
async fn three(#[lock_key] id: u64, _: String) -> Result<u64, AppError> {
    assert!(is_locked("first").await && is_locked("second:1").await && is_locked("2").await);
    assert!(outer.resources().eq(["first"]));
    assert!(inner.resources().eq(["second:1"]));
    Ok(id)
}

#[mutex_lock("outer", on_locked = Ok("outer"))]
#[mutex_lock("inner", on_locked = Ok("inner"), on_error = |error: LockError| Err(error.into()))]
async fn which() -> Result<&'static str, AppError> {
    Ok("none")
}

#[cfg_attr(all(), mutex_lock("outer", on_locked = Ok("outer")))]
#[cfg_attr(any(), mutex_lock("nowhere"))]
#[cfg_attr(all(), mutex_lock("inner", on_locked = Ok("inner")))]
async fn which_of_the_conditional() -> Result<&'static str, AppError> {
    Ok("none")
}

#[mutex_lock("outer")]
#[mutex_lock("outer")]
async fn twice_the_same() -> Result<(), AppError> {
    Ok(())
}

fn main() {
    on_memory(async {
        assert_eq!(send(three(1, String::new())).await.unwrap(), 1);
        let mutex = klg_lock::registry().unwrap().mutex();

        assert_eq!(send(which()).await.unwrap(), "none");
        let inner = mutex.lock("inner").acquire().await.unwrap();
        assert_eq!(which().await.unwrap(), "inner");
        assert_eq!(which_of_the_conditional().await.unwrap(), "inner");
        let outer = mutex.lock("outer").acquire().await.unwrap();
        assert_eq!(which().await.unwrap(), "outer");
        assert_eq!(which_of_the_conditional().await.unwrap(), "outer");
        outer.release().await.unwrap();
        inner.release().await.unwrap();

        let again = twice_the_same().await;
        assert!(matches!(
            again,
            Err(AppError::Lock(LockError::WouldDeadlock { .. }))
        ));
        assert_eq!(locked(), 0);
    });
}
