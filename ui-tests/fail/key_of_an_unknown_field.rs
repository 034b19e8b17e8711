//! A field that is not there.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

struct User {
    id: u64,
}

#[mutex_lock("{user.name}")]
async fn placeholder(user: User) -> Result<u64, AppError> {
    Ok(user.id)
}

#[mutex_lock]
async fn parameter(#[lock_key("id.0")] user: User) -> Result<u64, AppError> {
    Ok(user.id)
}

fn main() {}
