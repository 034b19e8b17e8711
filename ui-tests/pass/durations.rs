//! A text with units, an integer in milliseconds, or any expression of type `Duration`.
#![deny(warnings)]

use std::time::Duration;

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, on_memory};

const TTL: Duration = Duration::from_secs(7);

struct Service {
    ttl: Duration,
}

fn near(remaining: Duration, ttl: Duration) {
    assert!(
        remaining <= ttl && remaining > ttl / 2,
        "{remaining:?} of {ttl:?}"
    );
}

impl Service {
    #[mutex_lock("k", ttl = "1m 30s", guard = lock)]
    async fn text(&self) -> Result<(), AppError> {
        near(lock.remaining(), Duration::from_secs(90));
        Ok(())
    }

    #[mutex_lock("k", ttl = 10000, guard = lock)]
    async fn milliseconds(&self) -> Result<(), AppError> {
        near(lock.remaining(), Duration::from_secs(10));
        Ok(())
    }

    #[mutex_lock("k", ttl = 5_000u64, guard = lock)]
    async fn with_a_type(&self) -> Result<(), AppError> {
        near(lock.remaining(), Duration::from_secs(5));
        Ok(())
    }

    #[mutex_lock("k", ttl = TTL, guard = lock)]
    async fn constant(&self) -> Result<(), AppError> {
        near(lock.remaining(), TTL);
        Ok(())
    }

    #[mutex_lock("k", ttl = self.ttl * factor, wait = Duration::ZERO, guard = lock)]
    async fn computed(&self, factor: u32) -> Result<(), AppError> {
        near(lock.remaining(), Duration::from_secs(6));
        Ok(())
    }

    #[mutex_lock("k", ttl = "30s", max_hold = "2s", guard = lock)]
    async fn bounded(&self) -> Result<(), AppError> {
        near(lock.remaining(), Duration::from_secs(2));
        Ok(())
    }
}

fn main() {
    on_memory(async {
        let service = Service {
            ttl: Duration::from_secs(3),
        };
        service.text().await.unwrap();
        service.milliseconds().await.unwrap();
        service.with_a_type().await.unwrap();
        service.constant().await.unwrap();
        service.computed(2).await.unwrap();
        service.bounded().await.unwrap();
    });
}
