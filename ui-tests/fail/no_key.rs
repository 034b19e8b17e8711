//! Something has to say what is locked.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock]
async fn without_parameters() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock(ttl = "1s")]
async fn with_parameters(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

fn main() {}
