//! `scope` goes before the key, with a colon, so that two functions that lock by id do not collide.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory};

#[mutex_lock(scope = "account")]
async fn account(#[lock_key] id: u64) -> Result<(), AppError> {
    assert!(is_locked("account:1").await);
    user(id).await
}

#[mutex_lock(scope = "user")]
async fn user(#[lock_key] id: u64) -> Result<(), AppError> {
    assert!(is_locked("user:1").await && is_locked("account:1").await);
    Ok(())
}

#[mutex_lock("fixed", scope = "tenant:{tenant}")]
async fn placeholders_count_there_too(tenant: &str) -> Result<bool, AppError> {
    Ok(is_locked("tenant:a:fixed").await)
}

fn main() {
    on_memory(async {
        account(1).await.unwrap();
        assert!(placeholders_count_there_too("a").await.unwrap());
    });
}
