//! The future is `Send` where the body's is, and may be anything else where that is; the value needs
//! neither `Clone` nor `Debug`, and the error nothing at all.
#![deny(warnings)]

use std::cell::Cell;
use std::rc::Rc;

use klg_lock::{cache_evict, cache_put, cached};
use klg_lock_ui_tests::{on_memory, send};

#[derive(serde::Serialize, serde::Deserialize)]
struct Bare(u8);

struct Failure;

#[cached("local:{id}")]
async fn local(id: u8, counter: Rc<Cell<u8>>) -> Result<Bare, Failure> {
    tokio::task::yield_now().await;
    counter.set(counter.get() + 1);
    Ok(Bare(id))
}

#[cache_put("put:{id}")]
#[cache_evict("evicted:{id}")]
async fn not_sync(id: u8) -> Result<Bare, Cell<u8>> {
    if id == 0 { Err(Cell::new(0)) } else { Ok(Bare(id)) }
}

#[cached("sent:{id}")]
async fn sent(id: u8) -> Result<Bare, Failure> {
    if id == 0 { Err(Failure) } else { Ok(Bare(id)) }
}

fn main() {
    on_memory(async {
        let counter = Rc::new(Cell::new(0));
        for _ in 0..2 {
            assert!(matches!(local(1, counter.clone()).await, Ok(Bare(1))));
        }
        assert_eq!(counter.get(), 1);
        assert!(matches!(send(not_sync(1)).await, Ok(Bare(1))));
        assert!(send(not_sync(0)).await.is_err());
        let spawned = tokio::spawn(sent(2)).await.unwrap();
        assert!(matches!(spawned, Ok(Bare(2))));
        assert!(matches!(send(sent(0)).await, Err(Failure)));
    });
}
