//! `entry` generates a function beside the cached one: as visible, with those of its parameters that
//! the attribute uses, and with its generics.
#![deny(warnings)]
#![deny(missing_docs)]

use std::fmt::Display;

use klg_lock::{CachedCall, cached};
use klg_lock_ui_tests::{AppError, on_memory};

mod users {
    use super::*;

    /// Finds users.
    pub struct Users<T> {
        /// Whose.
        pub tenant: T,
    }

    impl<T: Display + Sync> Users<T> {
        /// Finds one.
        #[cached("{self.tenant}:{id}", ttl = ttl, entry = entry)]
        pub async fn find(
            &self,
            id: u64,
            ttl: std::time::Duration,
            _deep: impl Fn() + Send + Sync,
        ) -> Result<Vec<u64>, AppError> {
            Ok(vec![id])
        }

        /// Needs no receiver for its key.
        #[cached(entry = name_entry)]
        pub(crate) async fn name(&self, #[cache_key("0")] (_id, x): (u8, u8)) -> Option<String> {
            (x > 0).then(|| self.tenant.to_string())
        }
    }

    /// In a trait it is a provided function.
    pub trait Finds {
        /// The first one.
        #[cached("first", entry = first_entry)]
        async fn first(&self) -> std::io::Result<u8> {
            Ok(1)
        }
    }

    impl<T> Finds for Users<T> {}
}

#[cfg(any())]
#[cached("{id}", entry = nowhere_entry)]
async fn nowhere(id: u8) -> Nothing {}

#[cfg(all())]
#[cached("{text}", entry = r#fn)]
async fn keyword<'a, const N: usize>(numbers: [u8; N], text: &'a str) -> usize
where
    [u8; N]: Send,
{
    text.len() + numbers.len()
}

fn main() {
    on_memory(async {
        use users::Finds;
        let users = users::Users { tenant: "acme" };
        let second = std::time::Duration::from_secs(1);
        assert_eq!(users.find(1, second, || ()).await.unwrap(), [1]);
        let entry: CachedCall<Vec<u64>> = users.entry(1, second);
        assert_eq!(entry.key(), Some("acme:1"));
        assert_eq!(entry.get().await.unwrap(), Some(vec![1]));
        assert_eq!(users.name((1, 2)).await.as_deref(), Some("acme"));
        let entry = users::Users::<&str>::name_entry((1, 5));
        assert_eq!(entry.get().await.unwrap(), Some(Some("acme".to_owned())));
        assert_eq!(users.first().await.unwrap(), 1);
        assert_eq!(users::Users::<u8>::first_entry().get().await.unwrap(), Some(1));
        assert_eq!(keyword([1, 2], "abc").await, 5);
        assert_eq!(r#fn::<2>("abc").get().await.unwrap(), Some(5));
    });
}
