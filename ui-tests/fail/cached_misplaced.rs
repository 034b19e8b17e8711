//! Cache attributes stand above functions with a body.

use klg_lock::{cache_evict, cache_put, cached, cached_many};

#[cached("k")]
struct Service;

#[cache_put("k")]
impl Service {
    async fn find(&self) -> u64 {
        1
    }
}

trait Finds {
    #[cached_many("{id}", keys = ids)]
    async fn find(&self, ids: Vec<u64>) -> std::collections::HashMap<u64, u64>;
}

#[cache_evict("k")]
const NUMBER: u64 = 1;

fn main() {}
