//! Patterns that `async_trait` or the function itself took apart before the future starts.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

use std::future::Future;
use std::pin::Pin;

#[async_trait::async_trait]
trait Users {
    #[mutex_lock("{id}")]
    async fn by_placeholder(&self, (id, _): (u64, u8)) -> Result<u64, AppError> {
        Ok(id)
    }
}

#[mutex_lock]
fn by_mark(
    #[lock_key("0")] (a, _): (u8, u8),
) -> Pin<Box<dyn Future<Output = Result<u8, AppError>>>> {
    Box::pin(async move { Ok(a) })
}

fn main() {}
