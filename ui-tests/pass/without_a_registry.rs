//! Without a registry the body does not run, and the error says what to call.
#![deny(warnings)]

use klg_lock::{LockError, mutex_lock};
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", ttl = "1s", client = "x")]
async fn function() -> Result<(), AppError> {
    panic!("ran");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let result = runtime.block_on(function());
    assert!(matches!(
        result,
        Err(AppError::Lock(LockError::NotInitialized))
    ));
}
