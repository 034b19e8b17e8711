//! Type errors point at the user's expression, as without the attribute.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k")]
async fn tail() -> Result<u32, AppError> {
    5
}

#[mutex_lock("k")]
async fn early(yes: bool) -> Result<u32, AppError> {
    if yes {
        return Ok("text");
    }
    Ok(1)
}

#[mutex_lock("k")]
async fn missing(id: u32) -> Result<u32, AppError> {
    Ok::<_, AppError>(id);
}

#[mutex_lock("k")]
async fn question() -> Result<u32, AppError> {
    Ok("1".parse()?)
}

fn main() {}
