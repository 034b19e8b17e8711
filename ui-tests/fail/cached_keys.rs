//! Where the key of a cached value comes from: one place, and one key.

use klg_lock::{cache_evict, cache_put, cached};
use klg_lock_ui_tests::AppError;

#[cached(ttl = "1m")]
async fn nothing_says_which(id: u64) -> Result<u64, AppError> {
    Ok(id)
}

struct Service;

impl Service {
    #[cached]
    async fn a_receiver_is_an_argument(&self) -> u64 {
        1
    }
}

#[cached("user")]
async fn twice(#[cache_key] id: u64) -> u64 {
    id
}

#[cached(key = ["one", "two"])]
async fn several(id: u64) -> u64 {
    id
}

#[cache_put("one", key = "two")]
async fn put_twice(id: u64) -> u64 {
    id
}

#[cache_put]
async fn whose(#[cache_key] id: u64) -> u64 {
    id
}

#[cache_evict]
async fn evict_whose(#[cache_key] id: u64) -> u64 {
    id
}

#[cache_evict]
async fn evict_nothing(id: u64) -> u64 {
    id
}

#[cache_evict(tag = "users")]
async fn tags_and_a_key(#[cache_key] id: u64) -> u64 {
    id
}

#[cached]
async fn malformed(#[cache_key(id)] id: u64) -> u64 {
    id
}

#[cached("{idd}")]
async fn misspelt(id: u64) -> u64 {
    id
}

fn main() {}
