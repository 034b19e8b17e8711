//! The expansion raises no lint in the user's code, however strict he is.
#![deny(warnings)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(
    rust_2018_idioms,
    tail_expr_drop_order,
    unused_qualifications,
    unused_results,
    unreachable_pub,
    let_underscore_drop
)]
// About the examples here, not about what the attributes make of them.
#![allow(clippy::needless_pass_by_value, clippy::unused_async)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use klg_lock::{LockError, buffer_lock, cache_evict, cache_put, cached, cached_many, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory};

struct Pair {
    left: u8,
    right: u8,
}

struct Service {
    name: String,
    ttl: Duration,
}

impl Service {
    #[mutex_lock("literal")]
    async fn single_expression(&self) -> Result<Vec<u32>, AppError> {
        Ok(vec![1, 2])
    }

    #[mutex_lock("{self.name}:{id}", ttl = self.ttl, wait = 5, guard = lock)]
    async fn used_in_the_key_alone(&self, id: u64) -> Result<bool, AppError> {
        Ok(lock.is_valid())
    }

    #[buffer_lock]
    async fn marked_alone(&self, #[lock_key] id: u64, _ignored: u8, _: u8) -> Result<(), AppError> {
        Ok(())
    }

    #[buffer_lock(key = format!("{}", id + 1), scope = "s", on_lost = cancel, max_hold = "1m")]
    async fn expression(mut self, mut id: u64) -> Result<(String, u64), AppError> {
        id += 1;
        self.name.push('!');
        Ok((self.name, id))
    }

    #[mutex_lock("{left}", on_locked = Ok(right), on_error = |error| Err(AppError::Lock(error)))]
    async fn taken_apart(
        self: Arc<Self>,
        Pair { left, right }: Pair,
        (first, _): (u8, u8),
    ) -> Result<u8, AppError> {
        if left > first {
            return Ok(left);
        }
        Ok(right + first)
    }
}

#[mutex_lock("none", on_locked = (), on_error = drop)]
async fn returns_nothing() {
    tokio::task::yield_now().await;
}

#[mutex_lock("outer")]
#[mutex_lock("inner:{id}")]
#[tracing::instrument]
async fn siblings(id: u64) -> Result<u64, LockError> {
    let twice = id * 2;
    Ok(twice)
}

impl Service {
    #[cached("cached:{id}", ttl = self.ttl, tags = ["t", "{self.name}"], condition = id > 0, entry = entry)]
    async fn cached(&self, id: u64, _ignored: u8, _: u8) -> Result<Vec<u64>, AppError> {
        Ok(vec![id])
    }

    #[cached(stale = "1m", unless = |value| *value == 7, refresh = background)]
    async fn refreshed(self: Arc<Self>, #[cache_key] mut id: u64) -> u64 {
        id += 1;
        id
    }

    #[cached_many("{self.name}:{id}", keys = ids)]
    async fn many(&self, ids: Vec<u64>) -> HashMap<u64, u64> {
        ids.into_iter().map(|id| (id, id)).collect()
    }

    #[cache_put("{id}:{return}", tags = ["{return}"])]
    #[cache_evict("before", before)]
    #[cache_evict(tag = "after")]
    async fn put(&self, id: u64, Pair { left, .. }: Pair) -> Result<u8, AppError> {
        if id > 7 {
            return Ok(left);
        }
        Ok(left + 1)
    }

    #[cache_evict("unit")]
    async fn unit(&self) {}
}

#[async_trait::async_trait]
trait Users {
    #[mutex_lock("{id}")]
    async fn find(&self, id: u64, _ignored: u8) -> Result<u64, LockError> {
        Ok(id)
    }
}

impl Users for Service {}

#[test]
fn the_strictest_of_users_can_use_them() {
    let service = || Service {
        name: "s".into(),
        ttl: Duration::from_secs(10),
    };
    on_memory(async {
        let shared = service();
        assert_eq!(shared.single_expression().await.unwrap(), [1, 2]);
        assert!(shared.used_in_the_key_alone(1).await.unwrap());
        shared.marked_alone(1, 2, 3).await.unwrap();
        assert_eq!(shared.cached(1, 2, 3).await.unwrap(), [1]);
        assert_eq!(shared.entry(1).get().await.unwrap(), Some(vec![1]));
        assert_eq!(Arc::new(service()).refreshed(1).await, 2);
        assert_eq!(shared.many(vec![1]).await[&1], 1);
        let pair = Pair { left: 1, right: 2 };
        assert_eq!(shared.put(8, pair).await.unwrap(), 1);
        shared.unit().await;
        assert_eq!(shared.find(1, 2).await.unwrap(), 1);
        assert_eq!(service().expression(1).await.unwrap(), ("s!".into(), 2));
        let pair = Pair { left: 1, right: 2 };
        assert_eq!(Arc::new(shared).taken_apart(pair, (3, 4)).await.unwrap(), 5);
        returns_nothing().await;
        assert_eq!(siblings(2).await.unwrap(), 4);
    });
}
