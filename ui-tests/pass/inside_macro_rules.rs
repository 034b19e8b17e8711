//! Functions that a macro writes, with names and keys from inside and outside of it.
#![deny(warnings)]

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, on_memory};

macro_rules! locked {
    ($(#[$attr:meta])* $name:ident, $key:literal, $arg:ident, $ttl:expr, $body:block) => {
        $(#[$attr])*
        #[mutex_lock($key, ttl = $ttl, guard = lock)]
        async fn $name($arg: u64, local: u64, (_, _third): (u8, u8)) -> Result<u64, AppError> {
            assert!(lock.is_valid());
            let more: u64 = $body;
            Ok($arg + local + more)
        }
    };
}

locked!(
    /// Documented.
    #[buffer_lock(key = outer * 2)]
    function, "made:{outer}:{local}", outer, "5s", { 4 }
);

macro_rules! method {
    ($self:ident, $what:expr) => {
        #[mutex_lock("{self.0}")]
        async fn method(&$self) -> Result<bool, AppError> {
            Ok(is_locked(&$what).await && $self.0 == 9)
        }
    };
}

struct Service(u8);

impl Service {
    method!(self, "9".to_string());
}

fn main() {
    on_memory(async {
        assert_eq!(function(1, 2, (0, 0)).await.unwrap(), 7);
        assert!(Service(9).method().await.unwrap());
    });
}
