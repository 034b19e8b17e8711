//! A function that cannot say that there was no lock.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k")]
async fn nothing() {}

#[mutex_lock("k", on_locked = ())]
async fn half() {}

fn main() {}
