//! Each option once; the second one is to go.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", ttl = "1s", wait = "1s", ttl = "2s")]
async fn function() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
