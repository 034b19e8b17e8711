//! What `#[cache_evict]` does not combine, and what `strict` needs.

use klg_lock::cache_evict;
use klg_lock_ui_tests::AppError;

#[cache_evict("k", before, unless = |id| *id == 1)]
async fn looks_at_nothing(id: u64) -> u64 {
    id
}

#[cache_evict("k", all)]
async fn everything_and_a_key() {}

#[cache_evict(all, tags = ["t"])]
async fn everything_and_tags() {}

#[cache_evict("k", strict)]
async fn strict_without_result(id: u64) -> u64 {
    id
}

#[cache_evict("k", strict, before)]
async fn strict_with_another_error(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

fn main() {}
