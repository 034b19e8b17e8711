//! Only an async function can wait for a lock.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

use std::future::Future;

#[mutex_lock("k")]
fn plain() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k")]
fn future() -> impl Future<Output = Result<(), AppError>> {
    async { Ok(()) }
}

fn main() {}
