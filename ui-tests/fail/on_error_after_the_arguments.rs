//! `on_error` runs after the body too, when the arguments are gone.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", on_error = |_| Err(AppError::Other(name)))]
async fn function(name: String) -> Result<String, AppError> {
    Ok(name)
}

fn main() {}
