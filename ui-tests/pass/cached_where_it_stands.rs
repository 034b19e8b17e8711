//! `#[cached]`, `#[cache_put]` and `#[cache_evict]` on free functions and methods: every kind of
//! `self`, generics, lifetimes, `impl Trait` arguments, patterns, early returns, recursion.
#![deny(warnings)]

use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::sync::Arc;

use klg_lock::{cache_evict, cache_put, cached};
use klg_lock_ui_tests::{AppError, on_memory, send};
use serde::Serialize;
use serde::de::DeserializeOwned;

struct Service<'s> {
    name: &'s str,
    calls: u32,
}

impl<'s> Service<'s> {
    #[cached("new:{name}")]
    async fn length(name: &str) -> usize {
        name.len()
    }

    #[cached("shared:{self.name}")]
    async fn shared(&self) -> Result<String, AppError> {
        Ok(self.name.to_owned())
    }

    #[cache_put("exclusive:{self.name}:{return}")]
    async fn exclusive(&mut self, by: u32) -> Result<u32, AppError> {
        self.calls += by;
        Ok(self.calls)
    }

    #[cache_evict("pinned:{self.name}")]
    async fn pinned(self: Pin<&mut Self>) -> u32 {
        self.calls
    }

    #[cached("owner:{self.name}")]
    async fn shared_owner(self: Arc<Self>) -> usize {
        Arc::strong_count(&self)
    }

    #[cache_evict("boxed:{self.name}", tag = "{self.name}")]
    async fn boxed(self: Box<Self>) -> Result<Self, AppError> {
        Ok(*self)
    }

    #[cache_evict("changed:{self.name}:{return.calls}", unless = |service| service.calls == 7)]
    async fn changed(mut self) -> Result<Service<'s>, AppError> {
        self.calls += 1;
        Ok(self)
    }

    #[cached("generic:{at}", condition = at.to_string() != "x", unless = Option::is_none)]
    async fn generic<T, const N: usize>(&self, at: &T, values: [u8; N]) -> Option<Vec<u8>>
    where
        T: Debug + Display + Sync + ?Sized,
    {
        (N > 1).then(|| values.to_vec())
    }
}

/// Whatever can be cached.
#[cached("value:{key}")]
async fn value<T>(key: impl Display + Send, make: impl Fn() -> T + Send) -> T
where
    T: Serialize + DeserializeOwned + Send,
{
    make()
}

#[cached("{first}:{b.0}", scope = "{first}", ttl = ttl)]
async fn taken_apart(
    (first, _): (u8, u8),
    Pair { a, b }: Pair,
    ttl: std::time::Duration,
) -> Result<u8, AppError> {
    if first > a {
        return Err(AppError::Other(format!("{first} {ttl:?}")));
    }
    Ok(a + b.0)
}

struct Pair {
    a: u8,
    b: (u8, u8),
}

#[cached("factorial:{n}")]
async fn factorial(n: u64) -> u64 {
    if n < 2 {
        return 1;
    }
    n * Box::pin(factorial(n - 1)).await
}

#[cache_evict(tags = list.iter().map(|id| format!("tag:{id}")))]
async fn returns_a_borrow<'a>(list: &'a [u8], _: &str) -> Result<&'a u8, AppError> {
    list.first().ok_or(AppError::Other("empty".into()))
}

#[cache_evict("opaque")]
async fn opaque(up_to: u8) -> Result<impl Iterator<Item = impl Debug> + Send, AppError> {
    Ok(0..up_to)
}

trait Native {
    async fn find(&self, id: u64) -> Result<u64, AppError>;

    #[cached("default:{id}")]
    async fn twice(&self, id: u64) -> Result<u64, AppError> {
        Ok(self.find(id).await? * 2)
    }
}

impl Native for Service<'_> {
    #[cached("native:{self.name}:{id}")]
    async fn find(&self, id: u64) -> Result<u64, AppError> {
        Ok(id + u64::from(self.calls))
    }
}

fn main() {
    on_memory(async {
        let mut service = Service {
            name: "s",
            calls: 1,
        };
        assert_eq!(send(Service::length("abc")).await, 3);
        assert_eq!(send(service.shared()).await.unwrap(), "s");
        assert_eq!(send(service.exclusive(2)).await.unwrap(), 3);
        let cache = klg_lock::registry().unwrap().cache();
        assert_eq!(cache.get("exclusive:s:3").await.unwrap(), Some(3_u32));
        assert_eq!(send(Pin::new(&mut service).pinned()).await, 3);
        let service = send(Box::new(service).boxed()).await.unwrap();
        let service = send(service.changed()).await.unwrap();
        assert_eq!(send(service.generic("k", [1, 2])).await, Some(vec![1, 2]));
        assert_eq!(send(service.generic("k", [3, 4, 5])).await, Some(vec![1, 2]));
        assert_eq!(send(service.generic("x", [3, 4])).await, Some(vec![3, 4]));
        assert_eq!(send(service.generic("none", [3])).await, None);
        assert_eq!(service.find(1).await.unwrap(), 5);
        assert_eq!(service.twice(1).await.unwrap(), 10);
        let service = Arc::new(service);
        assert_eq!(send(service.shared_owner()).await, 1);

        assert_eq!(send(value("a", || vec![1_u8])).await, [1]);
        assert_eq!(send(value("a", || vec![2_u8])).await, [1]);
        let pair = || Pair { a: 1, b: (2, 3) };
        let second = std::time::Duration::from_secs(1);
        assert_eq!(send(taken_apart((1, 0), pair(), second)).await.unwrap(), 3);
        assert!(taken_apart((2, 0), pair(), second).await.is_err());
        assert_eq!(cache.get("1:1:2").await.unwrap(), Some(3_u8));
        assert_eq!(send(factorial(5)).await, 120);
        assert_eq!(cache.get("factorial:3").await.unwrap(), Some(6_u64));
        assert_eq!(send(returns_a_borrow(&[4], "")).await.unwrap(), &4);
        assert_eq!(send(opaque(3)).await.unwrap().count(), 3);
    });
}
