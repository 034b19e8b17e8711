//! What the options of the cache may be.

use klg_lock::{cache_evict, cached};

#[cached("k", ttl = "0s", stale = 10s, none_ttl = -1, l1_ttl = "5", load_timeout = true)]
async fn durations() -> u64 {
    1
}

#[cached("k", beta = 2, l1 = "no", codec = "json", refresh = sometimes, name = 5, entry = "entry")]
async fn others() -> u64 {
    1
}

#[cached("k", beta = -1.0, refresh = "background", client = 5, scope = "", tags = [])]
async fn more() -> u64 {
    1
}

#[cached("k", client = "session", cache = cache)]
async fn two_caches(cache: klg_lock::Cache) -> u64 {
    1
}

#[cache_evict(tag = "a", tags = ["b"], before = maybe, strict = 1)]
async fn evicts() -> u64 {
    1
}

#[cached("k", cache = cache, condition = 1, unless = |value| value, beta = "x".len())]
async fn types(cache: u8) -> u64 {
    1
}

fn main() {}
