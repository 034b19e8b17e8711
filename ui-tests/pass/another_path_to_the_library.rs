//! `crate = ..` for those who re-export the library.
#![deny(warnings)]

mod locks {
    pub use klg_lock::*;
}

use klg_lock_ui_tests::{AppError, on_memory};
use locks::mutex_lock;

#[mutex_lock("a", crate = crate::locks)]
async fn relative() -> Result<u8, AppError> {
    Ok(1)
}

#[mutex_lock("a", crate = ::klg_lock, on_locked = Ok(0))]
async fn absolute() -> Result<u8, AppError> {
    Ok(2)
}

fn main() {
    on_memory(async {
        assert_eq!(relative().await.unwrap(), 1);
        assert_eq!(absolute().await.unwrap(), 2);
    });
}
