//! The key comes from one place.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("user")]
async fn literal_and_parameter(#[lock_key("id.0")] user: User) -> Result<User, AppError> {
    Ok(user)
}

#[mutex_lock(key = 1 + 1)]
async fn expression_and_parameter(#[lock_key] id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("a", "b")]
async fn two_literals() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("a", key = "b")]
async fn literal_and_expression() -> Result<(), AppError> {
    Ok(())
}

struct User {
    id: (u64,),
}

fn main() {}
