//! An option has a value.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", guard, ttl = , auto_extend)]
async fn function() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
