//! An empty key is `LockError::InvalidKey`, also behind a scope; the body does not run.
#![deny(warnings)]

use klg_lock::{LockError, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory};

#[mutex_lock(scope = "user")]
async fn marked(#[lock_key] name: &str) -> Result<(), AppError> {
    panic!("ran for {name:?}");
}

#[mutex_lock("{name}", scope = "user")]
async fn placeholder(name: &str) -> Result<(), AppError> {
    panic!("ran for {name:?}");
}

#[mutex_lock("", scope = "user")]
async fn literal() -> Result<(), AppError> {
    panic!("ran");
}

fn main() {
    on_memory(async {
        for result in [marked("").await, placeholder("").await, literal().await] {
            assert!(matches!(
                result,
                Err(AppError::Lock(LockError::InvalidKey { .. }))
            ));
        }
    });
}
