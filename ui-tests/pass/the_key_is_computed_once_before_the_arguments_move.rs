//! The key is computed once, before the body moves its arguments.
#![deny(warnings)]

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory};

static SHOWN: AtomicU32 = AtomicU32::new(0);

struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SHOWN.fetch_add(1, Ordering::Relaxed);
        f.write_str(&self.0)
    }
}

#[mutex_lock("{name}")]
async fn rename(mut name: Name) -> Result<String, AppError> {
    name.0.push_str(" changed");
    drop(tokio::spawn(async move { name }).await);
    assert!(is_locked("first").await);
    Ok("done".into())
}

fn main() {
    on_memory(async {
        rename(Name("first".into())).await.unwrap();
        assert_eq!(SHOWN.load(Ordering::Relaxed), 1);
    });
}
