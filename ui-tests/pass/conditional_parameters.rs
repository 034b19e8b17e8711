//! `cfg` on a parameter is honoured, marked or not.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, locked, on_memory};

#[mutex_lock]
async fn by_what_is_there(
    #[cfg(any())]
    #[lock_key("x")]
    gone: Missing,
    #[cfg(all())]
    #[lock_key]
    here: u8,
    #[cfg(any())] _: Missing,
    #[cfg(any())] (a, b): Missing,
    #[cfg(not(any()))] (c, _): (u8, u8),
) -> Result<u8, AppError> {
    assert!(is_locked("7").await);
    assert_eq!(locked(), 1);
    Ok(here + c)
}

#[mutex_lock]
#[cfg(any())]
async fn a_function_that_is_not_there(#[lock_key] id: Missing) -> Missing {}

fn main() {
    on_memory(async {
        assert_eq!(by_what_is_there(7, (1, 2)).await.unwrap(), 8);
    });
}
