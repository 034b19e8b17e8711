//! A placeholder is a parameter and its fields.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("{}:{0}:{ }")]
async fn names_nothing(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("{id:?}:{id:>8}:{:x}")]
async fn format_specs(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("{id + 1}:{user.name()}:{user.0x1}:{crate}:{user..id}")]
async fn expressions(id: u64, user: u64) -> Result<u64, AppError> {
    Ok(id + user)
}

#[mutex_lock("a}b")]
async fn stray_brace() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("a{id")]
async fn unclosed_brace(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

fn main() {}
