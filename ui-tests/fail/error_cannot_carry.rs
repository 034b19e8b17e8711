//! The error type has to take the lock's error in.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[derive(Debug)]
struct Plain;

#[mutex_lock("k")]
async fn plain() -> Result<u32, Plain> {
    Ok(1)
}

#[mutex_lock("k")]
async fn text() -> Result<impl Sized, String> {
    Ok(1)
}

#[mutex_lock("k")]
async fn generic<E>() -> Result<AppError, E> {
    loop {}
}

fn main() {}
