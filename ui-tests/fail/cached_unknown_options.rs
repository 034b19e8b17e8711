//! Each cache attribute has its own options.

use std::collections::HashMap;

use klg_lock::{cache_evict, cache_put, cached, cached_many};

#[cached("k", tll = "1s", wait = "1s")]
async fn read(id: u64) -> u64 {
    id
}

#[cached_many("{id}", keys = ids, unless = |_| true)]
async fn read_many(ids: Vec<u64>) -> HashMap<u64, u64> {
    HashMap::new()
}

#[cache_put("k", refresh = background)]
async fn put(id: u64) -> u64 {
    id
}

#[cache_evict("k", ttl = "1s")]
async fn evict(id: u64) -> u64 {
    id
}

#[cached("k", ttl, refresh, before)]
async fn without_values(id: u64) -> u64 {
    id
}

fn main() {}
