//! A mistake in the attribute is the only error: the function is there, with its handle.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

struct Service;

impl Service {
    #[mutex_lock("k", tll = "1s", guard = lock)]
    #[mutex_lock("second")]
    async fn method(&self, #[lock_key] id: u64) -> Result<u64, AppError> {
        lock.extend(std::time::Duration::from_secs(1)).await?;
        Ok(id)
    }
}

async fn calls() -> Result<u64, AppError> {
    Service.method(1).await
}

fn main() {}
