//! Async methods of traits, declared and defaulted, without any other macro.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, locked, on_memory, send};

trait Users {
    async fn find(&self, id: u64) -> Result<u64, AppError>;

    #[mutex_lock("default:{id}")]
    async fn default(&self, id: u64) -> Result<(u64, usize), AppError> {
        Ok((self.find(id).await?, locked()))
    }
}

struct Memory;

impl Users for Memory {
    #[mutex_lock]
    async fn find(&self, #[lock_key] id: u64) -> Result<u64, AppError> {
        Ok(id + 1)
    }
}

fn main() {
    on_memory(async {
        assert_eq!(send(Memory.default(1)).await.unwrap(), (2, 1));
    });
}
