//! A key is anything that displays.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

struct Plain {
    id: u64,
}

#[mutex_lock("{plain}")]
async fn placeholder(plain: Plain) -> Result<u64, AppError> {
    Ok(plain.id)
}

#[mutex_lock]
async fn parameter(#[lock_key] plain: Plain) -> Result<u64, AppError> {
    Ok(plain.id)
}

#[mutex_lock(key = plain.clone())]
async fn expression(plain: Vec<u8>) -> Result<Vec<u8>, AppError> {
    Ok(plain)
}

fn main() {}
