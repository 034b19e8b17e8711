//! The error about a body that is not `Send` is about the body.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k")]
async fn function() -> Result<(), AppError> {
    let shared = std::rc::Rc::new(1);
    tokio::task::yield_now().await;
    drop(shared);
    Ok(())
}

fn spawned() {
    tokio::spawn(function());
}

fn main() {}
