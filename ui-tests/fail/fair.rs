//! `fair` is an order among those who wait for one resource.

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", fair)]
async fn does_not_wait() -> Result<(), AppError> {
    Ok(())
}

#[buffer_lock(key = ["a", "b"], fair = true)]
async fn several_keys() -> Result<(), AppError> {
    Ok(())
}

#[buffer_lock(fair)]
async fn several_marks(#[lock_key] a: u8, #[lock_key] b: u8) -> Result<(), AppError> {
    Ok(())
}

#[buffer_lock("k", fair = "yes")]
async fn no_flag() -> Result<(), AppError> {
    Ok(())
}

#[buffer_lock("k", fair, fair = false)]
async fn twice() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
