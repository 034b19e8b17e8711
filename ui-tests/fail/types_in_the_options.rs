//! Type errors in the options point at them.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", on_locked = 5)]
async fn on_locked() -> Result<u32, AppError> {
    Ok(1)
}

#[mutex_lock("k", on_error = |error: u32| Ok(error))]
async fn on_error() -> Result<u32, AppError> {
    Ok(1)
}

#[mutex_lock("k", auto_extend = 1 + 1)]
async fn auto_extend() -> Result<u32, AppError> {
    Ok(1)
}

fn main() {}
