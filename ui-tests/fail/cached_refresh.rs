//! A refresh in the background owns what it uses.

use std::rc::Rc;

use klg_lock::{LockError, cached, mutex_lock};

struct Service {
    calls: u64,
}

impl Service {
    #[cached("k", refresh = background)]
    async fn exclusive(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    #[cached("k", refresh = background)]
    async fn not_clone(&self) -> u64 {
        self.calls
    }
}

#[cached("{name}", refresh = background)]
async fn borrowed(name: &str, list: &[u8]) -> usize {
    name.len() + list.len()
}

#[cached("{name}", refresh = background)]
async fn not_send(name: String) -> usize {
    let shared = Rc::new(name);
    tokio::task::yield_now().await;
    shared.len()
}

#[mutex_lock("{id}")]
#[cached("{id}", refresh = background)]
async fn below_a_lock(id: u64) -> Result<u64, LockError> {
    Ok(id)
}

#[cached("{id}", refresh = other(&id))]
async fn a_future_that_borrows(id: u64) -> u64 {
    id
}

async fn other(id: &u64) -> u64 {
    *id
}

#[cached("{id}", refresh = id + 1)]
async fn no_future(id: u64) -> u64 {
    id
}

fn main() {}
