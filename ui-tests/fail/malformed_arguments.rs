//! What is no argument at all; those behind it are read all the same.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k" ttl = "1s", wait == "1s", 5, KEY, format!("x"), max_hold = "0s")]
async fn function() -> Result<(), AppError> {
    Ok(())
}

const KEY: &str = "k";

fn main() {}
