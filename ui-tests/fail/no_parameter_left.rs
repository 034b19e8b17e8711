//! Marked parameters that all depend on the configuration.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock]
async fn function(
    #[cfg(any())]
    #[lock_key]
    id: u64,
) -> Result<(), AppError> {
    Ok(())
}

fn main() {}
