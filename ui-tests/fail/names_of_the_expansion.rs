//! What the expansion calls its own is not to be seen.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k")]
async fn argument((_, _): (u8, u8)) -> Result<u8, AppError> {
    Ok(__klg_arg0.0)
}

#[mutex_lock("k", on_locked = Err(__klg_error.into()))]
async fn error() -> Result<u8, AppError> {
    let _ = __klg_request;
    Ok(1)
}

fn main() {}
