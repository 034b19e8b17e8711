//! `#[cache_key]` belongs to a cache attribute, `#[lock_key]` to a lock.

use klg_lock::{cached, mutex_lock};
use klg_lock_ui_tests::AppError;

#[mutex_lock("k")]
async fn under_a_lock(#[cache_key] id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[cached("k")]
async fn under_a_cache(#[lock_key] id: u64) -> Result<u64, AppError> {
    Ok(id)
}

fn main() {}
