//! What a function returns is told by its type: a `Result` under any name, or anything else.
#![deny(warnings)]

use std::future::Future;
use std::pin::Pin;

use klg_lock::{cache_evict, cache_put, cached};
use klg_lock_ui_tests::{AppError, on_memory};

type AppResult<T> = Result<T, AppError>;
type Found = AppResult<u32>;
type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// No `Result`, whatever it is called.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct MyResult<T>(T);

#[cached("alias:{fails}")]
async fn alias(fails: bool) -> AppResult<u32> {
    if fails { Err(AppError::Other("x".into())) } else { Ok(1) }
}

#[cached("hidden:{fails}")]
async fn hidden(fails: bool) -> Found {
    alias(fails).await
}

#[cached("anyhow:{fails}")]
async fn with_anyhow(fails: bool) -> anyhow::Result<u32> {
    anyhow::ensure!(!fails, "fails");
    Ok(3)
}

#[cache_put("boxed:{fails}")]
async fn boxed_error(fails: bool) -> Result<u32, Box<dyn std::error::Error>> {
    if fails {
        return Err("fails".into());
    }
    Ok(4)
}

#[cached("named", unless = |value| value.0 == 0)]
async fn named() -> MyResult<u32> {
    MyResult(5)
}

#[cached("by_hand:{id}")]
fn by_hand(id: u32) -> BoxFuture<'static, Found> {
    Box::pin(async move { Ok(id) })
}

#[cached("plain_by_hand:{id}")]
fn plain_by_hand(id: u32) -> BoxFuture<'static, u32> {
    Box::pin(async move { id })
}

#[cache_evict("by_hand:{return}")]
fn evicted_by_hand(id: u32) -> BoxFuture<'static, Found> {
    Box::pin(async move { Ok(id) })
}

fn main() {
    on_memory(async {
        for _ in 0..2 {
            assert_eq!(alias(false).await.unwrap(), 1);
            assert!(alias(true).await.is_err());
            assert_eq!(hidden(false).await.unwrap(), 1);
            assert!(hidden(true).await.is_err());
            assert_eq!(with_anyhow(false).await.unwrap(), 3);
            assert!(with_anyhow(true).await.is_err());
            assert_eq!(boxed_error(false).await.unwrap(), 4);
            assert!(boxed_error(true).await.is_err());
            assert_eq!(named().await, MyResult(5));
            assert_eq!(by_hand(6).await.unwrap(), 6);
            assert_eq!(plain_by_hand(7).await, 7);
        }
        let cache = klg_lock::registry().unwrap().cache();
        for (key, value) in [
            ("alias:false", 1_u32),
            ("hidden:false", 1),
            ("anyhow:false", 3),
            ("boxed:false", 4),
            ("by_hand:6", 6),
            ("plain_by_hand:7", 7),
        ] {
            assert_eq!(cache.get(key).await.unwrap(), Some(value), "{key}");
        }
        assert_eq!(cache.get("named").await.unwrap(), Some(MyResult(5_u32)));
        evicted_by_hand(6).await.unwrap();
        assert_eq!(cache.get::<u32>("by_hand:6").await.unwrap(), None);
    });
}
