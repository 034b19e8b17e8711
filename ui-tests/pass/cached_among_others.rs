//! Among other attributes, ours and not: what stands above is outside; `tracing::instrument` sees
//! only the calls below a hit.
#![deny(warnings)]

use klg_lock::{buffer_lock, cache_evict, cache_put, cached, mutex_lock};
use klg_lock_ui_tests::{AppError, is_locked, journal, note, on_memory, send};
use tracing::instrument;

#[cached("above:{id}")]
#[instrument(err)]
#[mutex_lock("{id}", guard = lock)]
async fn a_hit_takes_no_lock(id: u64) -> Result<u64, AppError> {
    note(format!("above {}", lock.is_valid()));
    Ok(id)
}

#[buffer_lock("{id}")]
/// Documented in between.
#[klg_lock::cached("below:{id}")]
async fn only_the_holder_asks(id: u64, _: String) -> Result<u64, AppError> {
    note(format!("below {}", is_locked("1").await));
    Ok(id)
}

#[instrument(skip(name), ret)]
#[cache_put("name:{return}")]
#[cache_evict("outer:{id}")]
#[cache_evict("inner:{id}", before)]
#[inline]
async fn three(id: u64, name: &str) -> Result<u64, AppError> {
    note(format!("three {name}"));
    Ok(id + 1)
}

#[cached(scope = "both")]
#[mutex_lock(scope = "both")]
async fn each_has_its_own_marks(#[cache_key] id: u64, #[lock_key] name: &str) -> Result<u64, AppError> {
    assert!(is_locked("both:x").await, "{name}");
    Ok(id)
}

#[cache_evict(tag = "t")]
#[mutex_lock("skipped", on_locked = (), on_error = drop)]
async fn unit() {}

#[cfg_attr(all(), cached("conditional"))]
#[cfg_attr(any(), cached("never"))]
async fn conditional() -> u8 {
    note("conditional");
    1
}

fn main() {
    on_memory(async {
        for _ in 0..2 {
            assert_eq!(send(a_hit_takes_no_lock(1)).await.unwrap(), 1);
            assert_eq!(send(only_the_holder_asks(1, String::new())).await.unwrap(), 1);
            assert_eq!(conditional().await, 1);
        }
        assert_eq!(journal(), ["above true", "below true", "conditional"]);
        let cache = klg_lock::registry().unwrap().cache();
        cache.put("outer:1", &1).await.unwrap();
        cache.put("inner:1", &1).await.unwrap();
        assert_eq!(send(three(1, "x")).await.unwrap(), 2);
        assert_eq!(cache.get::<i32>("outer:1").await.unwrap(), None);
        assert_eq!(cache.get::<i32>("inner:1").await.unwrap(), None);
        assert_eq!(cache.get("name:2").await.unwrap(), Some(2_u64));
        assert_eq!(each_has_its_own_marks(1, "x").await.unwrap(), 1);
        assert_eq!(cache.get("both:1").await.unwrap(), Some(1_u64));
        send(unit()).await;
    });
}
