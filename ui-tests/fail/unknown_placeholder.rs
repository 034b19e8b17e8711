//! A placeholder that names no parameter: which there are, and the nearest.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("{odrer_id}")]
async fn misspelt(order_id: u64, line: u64) -> Result<u64, AppError> {
    Ok(order_id + line)
}

const PREFIX: &str = "p";

#[mutex_lock("{PREFIX}:{id}", scope = "{nothing}")]
async fn constant(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[mutex_lock("{self.id}")]
async fn no_self() -> Result<(), AppError> {
    Ok(())
}

fn main() {}
