//! The future is `Send` where the body's is, and may be anything else where that is.
#![deny(warnings)]

use std::cell::Cell;
use std::rc::Rc;

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, on_memory, send};

/// `Send`, not `Sync`: it may cross threads with the future, but no borrow of it may.
#[mutex_lock("{key}:{cell}", guard = lock, on_locked = Ok(0), on_error = |e| Err(e.into()))]
async fn owned(key: Box<dyn std::fmt::Display + Send>, cell: Shown) -> Result<u8, AppError> {
    tokio::task::yield_now().await;
    assert!(lock.is_valid());
    drop(key);
    Ok(cell.0.get())
}

struct Shown(Cell<u8>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.get().fmt(f)
    }
}

#[mutex_lock("local")]
async fn local(shared: Rc<Cell<u8>>) -> Result<u8, AppError> {
    let here = Rc::clone(&shared);
    tokio::task::yield_now().await;
    here.set(here.get() + 1);
    Ok(shared.get())
}

fn main() {
    on_memory(async {
        let owned = tokio::spawn(owned(Box::new("k"), Shown(Cell::new(3))));
        assert_eq!(send(owned).await.unwrap().unwrap(), 3);
        assert_eq!(local(Rc::new(Cell::new(1))).await.unwrap(), 2);
    });
}
