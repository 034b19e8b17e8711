//! Durations are checked at compile time.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", ttl = 0, max_hold = "0s", wait = "0ms")]
async fn zero() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", ttl = "10", wait = "soon", max_hold = "")]
async fn unparsable() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", ttl = 99999999999999999999, wait = "99999999999999999999y")]
async fn overflow() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", ttl = 10s, wait = -1, max_hold = 1.5)]
async fn unquoted() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", ttl = 5 * 1000)]
async fn another_type() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
