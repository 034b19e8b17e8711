//! What may stand in `#[lock_key]`.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock]
async fn no_text(#[lock_key(id)] user: User) -> Result<User, AppError> {
    Ok(user)
}

#[mutex_lock]
async fn assigned(#[lock_key = "id"] user: User) -> Result<User, AppError> {
    Ok(user)
}

#[mutex_lock]
async fn empty(#[lock_key("")] user: User) -> Result<User, AppError> {
    Ok(user)
}

#[mutex_lock]
async fn no_path(#[lock_key("id()")] user: User) -> Result<User, AppError> {
    Ok(user)
}

#[mutex_lock]
async fn twice(
    #[lock_key]
    #[lock_key]
    id: u64,
) -> Result<u64, AppError> {
    Ok(id)
}

struct User {
    id: u64,
}

fn main() {}
