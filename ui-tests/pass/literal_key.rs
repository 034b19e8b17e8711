//! A literal is the key.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory};

struct Service;

impl Service {
    #[mutex_lock("key1")]
    async fn mutex(&self) -> Result<Vec<u32>, AppError> {
        assert!(is_locked("key1").await);
        Ok(vec![1, 2, 3, 4, 5])
    }
}

fn main() {
    on_memory(async {
        assert_eq!(Service.mutex().await.unwrap(), [1, 2, 3, 4, 5]);
        assert!(!is_locked("key1").await);
    });
}
