//! A cache above a lock, and one below.

use klg_lock::{LockError, cached, mutex_lock};

use super::*;

impl Source {
    #[cached("locked:{id}")]
    #[mutex_lock("lock:{id}", guard = lock)]
    async fn cached_above(&self, id: u64) -> Result<u32, AppError> {
        assert!(lock.is_valid());
        Ok(self.load())
    }

    #[mutex_lock("outer:{id}", guard = lock)]
    #[cached("under:{id}")]
    async fn cached_below(&self, id: u64) -> Result<u32, AppError> {
        assert!(lock.is_valid());
        Ok(self.load())
    }
}

/// A hit above a lock takes none; a hit below one does.
#[tokio::test]
async fn a_cache_and_a_lock_nest_as_written() {
    on_each(async |registry, source| {
        assert_eq!(source.cached_above(1).await.unwrap(), 1);
        let above = registry.mutex().lock("lock:1").acquire().await.unwrap();
        assert_eq!(source.cached_above(1).await.unwrap(), 1);
        above.release().await.unwrap();

        assert_eq!(source.cached_below(1).await.unwrap(), 2);
        let below = registry.mutex().lock("outer:1").acquire().await.unwrap();
        let refused = source.cached_below(1).await;
        assert!(matches!(
            refused,
            Err(AppError::Lock(LockError::Contended { .. }))
        ));
        below.release().await.unwrap();
        assert_eq!(source.cached_below(1).await.unwrap(), 2);
    })
    .await;
}
