//! The return type is checked by a trait, not by its name.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

type Result<T, E> = std::result::Result<T, E>;

struct Page;

#[mutex_lock("k")]
async fn number() -> u32 {
    5
}

#[mutex_lock("k", on_locked = None)]
async fn option() -> Option<Result<Page, AppError>> {
    None
}

#[mutex_lock("k")]
async fn opaque() -> impl Sized {
    Page
}

fn main() {}
