//! What the other options may be.

use klg_lock::mutex_lock;
use klg_lock_ui_tests::AppError;

#[mutex_lock("k", on_lost = ignore, auto_extend = "no", scope = account, client = 5, guard = "lock")]
async fn wrong_values() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", scope = "", crate = klg_lock)]
async fn more_of_them() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", client = "session", redlock = engine)]
async fn two_engines(engine: klg_lock::Redlock) -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("k", redlock = engine)]
async fn no_engine(engine: u8) -> Result<(), AppError> {
    Ok(())
}

fn main() {}
