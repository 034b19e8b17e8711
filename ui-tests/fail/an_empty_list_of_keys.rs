//! A list of keys names at least one.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock(key = [])]
async fn function() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
