//! The attributes stand above functions with a body.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

struct Service;

#[mutex_lock("k")]
impl Service {
    async fn method(&self, #[allow(unused)] id: u64) -> Result<(), AppError> {
        Ok(())
    }
}

#[mutex_lock("k")]
struct Data;

#[mutex_lock("k")]
const N: u8 = 1;

trait Users {
    #[mutex_lock]
    #[mutex_lock("k")]
    async fn declared(&self, #[lock_key] id: u64) -> Result<(), AppError>;
}

fn main() {}
