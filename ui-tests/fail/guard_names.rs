//! The handle has a name of its own.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", guard = id)]
async fn a_parameter(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("a", guard = lock)]
#[mutex_lock("b", guard = lock)]
async fn another_handle() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
