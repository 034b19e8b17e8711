//! All mistakes are told at once, each where it is.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("a:{}:{idd}", ttl = 0, wat = "1s", guard = id, on_lost = ignore)]
fn function(#[lock_key] id: u64, #[lock_key = "x"] other: u64) -> Result<(), AppError> {
    Ok(())
}

fn main() {}
