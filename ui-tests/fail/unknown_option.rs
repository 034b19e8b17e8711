//! An unknown option: the legal ones, and the nearest.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", tll = "1s", retries = 3)]
async fn function() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
