//! A function may call itself: under another key it nests, under the same one it is told so.
#![deny(warnings)]

use klg_lock::{LockError, buffer_lock};
use klg_lock_ui_tests::{AppError, locked, on_memory, send};

#[buffer_lock("depth:{depth}")]
async fn down(depth: u32) -> Result<usize, AppError> {
    if depth == 0 {
        return Ok(locked());
    }
    Box::pin(down(depth - 1)).await
}

#[buffer_lock("same")]
async fn itself(depth: u32) -> Result<(), LockError> {
    if depth == 0 {
        return Ok(());
    }
    Box::pin(itself(depth - 1)).await
}

fn main() {
    on_memory(async {
        assert_eq!(send(down(3)).await.unwrap(), 4);
        itself(0).await.unwrap();
        assert!(matches!(
            itself(1).await,
            Err(LockError::WouldDeadlock { .. })
        ));
    });
}
