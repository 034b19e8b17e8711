//! `#[tracing::instrument]` above and below.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory, send};
use tracing::instrument;

struct Opaque(u8, u8);

#[instrument(skip(opaque), fields(number = opaque.0), err)]
#[mutex_lock("above:{id}")]
async fn above(id: u64, opaque: Opaque) -> Result<u64, AppError> {
    assert!(is_locked("above:1").await);
    Ok(id + u64::from(opaque.1))
}

#[mutex_lock("below:{id}")]
#[instrument(ret, err, fields(twice = id * 2))]
async fn below(id: u64, text: &str, Opaque(a, _): Opaque, _: Opaque) -> Result<u64, AppError> {
    assert!(is_locked("below:1").await);
    if text.is_empty() {
        return Ok(0);
    }
    Ok(id + u64::from(a))
}

struct Service;

impl Service {
    #[mutex_lock("outer")]
    #[instrument(skip_all)]
    #[mutex_lock("inner:{id}")]
    async fn between(self: std::sync::Arc<Self>, id: u64) -> Result<u64, AppError> {
        assert!(is_locked("outer").await && is_locked("inner:1").await);
        Ok(id)
    }
}

fn main() {
    on_memory(async {
        assert_eq!(send(above(1, Opaque(1, 2))).await.unwrap(), 3);
        assert_eq!(
            send(below(1, "x", Opaque(1, 2), Opaque(3, 4)))
                .await
                .unwrap(),
            2
        );
        assert_eq!(
            send(std::sync::Arc::new(Service).between(1)).await.unwrap(),
            1
        );
    });
}
