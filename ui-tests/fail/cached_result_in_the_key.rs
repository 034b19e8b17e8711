//! `{return}` is what the function returned: in what is put and evicted after it, and nowhere else.

use klg_lock::{cache_evict, cache_put, cached, mutex_lock};
use klg_lock_ui_tests::AppError;

#[cached("{return.id}")]
async fn not_known_yet(id: u64) -> u64 {
    id
}

#[mutex_lock("{return}")]
async fn not_for_locks(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

#[cache_evict("{return}", before)]
async fn not_before(id: u64) -> u64 {
    id
}

#[cache_put("k", scope = "{return}")]
async fn not_in_a_scope(id: u64) -> u64 {
    id
}

#[cache_put("{return.id}")]
async fn no_such_field(id: u64) -> Result<(u64, u64), AppError> {
    Ok((id, id))
}

#[cache_evict("{return}")]
async fn does_not_display(id: u64) -> Result<Option<u64>, AppError> {
    Ok(Some(id))
}

fn main() {}
