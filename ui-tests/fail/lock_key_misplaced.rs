//! `lock_key` is no macro of its own.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

async fn not_under_an_attribute(#[lock_key] id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("k")]
#[lock_key]
async fn on_the_function(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

fn main() {}
