//! What the generated functions beside cached ones hand out.

use klg_lock::{CacheError, cached};

use super::*;

impl Source {
    #[cached("rate:{currency}:{self.tenant}", ttl = "5m", tags = ["rates"], entry = rate_entry)]
    async fn rate(&self, currency: &str, _precise: bool) -> Result<u32, AppError> {
        Ok(self.load())
    }

    #[cached("plain:{id}", condition = id > 0, entry = plain_entry)]
    async fn plain<T>(&self, id: T) -> u32
    where
        T: std::fmt::Display + PartialOrd<i32>,
    {
        self.load()
    }
}

mod elsewhere {
    use super::*;

    #[cached("{number}", entry = squared_entry, scope = "squared")]
    pub(crate) async fn squared(Query { id: number, .. }: Query) -> std::io::Result<u64> {
        Ok(number * number)
    }
}

#[tokio::test]
async fn the_function_beside_a_cached_one_reads_puts_evicts_and_refreshes_one_call() {
    on_each(async |registry, source| {
        let entry = |currency| source.rate_entry(currency);
        assert_eq!(entry("EUR").key(), Some("rate:EUR:acme"));
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        assert_eq!(source.rate("EUR", true).await.unwrap(), 1);
        assert_eq!(entry("EUR").get().await.unwrap(), Some(1));
        // A refresh calls the function itself, which goes past the cache there.
        let refreshed = entry("EUR").refresh(|| source.rate("EUR", true)).await;
        assert_eq!(refreshed.unwrap(), 2);
        assert_eq!(source.rate("EUR", false).await.unwrap(), 2);
        assert_eq!(source.rate("USD", true).await.unwrap(), 3);
        entry("EUR").evict().await.unwrap();
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        assert_eq!(entry("USD").get().await.unwrap(), Some(3));
        entry("EUR").put(&9).await.unwrap();
        assert_eq!(source.rate("EUR", true).await.unwrap(), 9);
        // It has the tags of the attribute.
        registry.cache().evict_tag("rates").await.unwrap();
        assert_eq!(entry("EUR").get().await.unwrap(), None);
        entry("EUR").evict_strict().await.unwrap();
        // What fails changes nothing.
        entry("EUR").put(&10).await.unwrap();
        let failed = entry("EUR").refresh(|| async { Err(AppError::NoSuchUser) });
        assert!(matches!(failed.await, Err(AppError::NoSuchUser)));
        assert_eq!(entry("EUR").get().await.unwrap(), Some(10));
    })
    .await;
}

#[tokio::test]
async fn the_function_beside_has_the_generics_patterns_and_visibility_of_the_first() {
    on_each(async |_, source| {
        assert_eq!(source.plain(0).await, 1);
        assert_eq!(Source::plain_entry(0).get().await.unwrap(), None);
        assert_eq!(source.plain(5).await, 2);
        assert_eq!(Source::plain_entry(5_i32).get().await.unwrap(), Some(2));
        let refresh = Source::plain_entry(5_i32).refresh_value(|| source.plain(5));
        assert_eq!(refresh.await, 3);
        let query = || Query {
            id: 7,
            page: (0, 0),
        };
        assert_eq!(elsewhere::squared(query()).await.unwrap(), 49);
        let kept = elsewhere::squared_entry(query()).get().await.unwrap();
        assert_eq!(kept, Some(49));
    })
    .await;
}

#[tokio::test]
async fn the_function_beside_says_that_there_is_no_cache() {
    let source = Source::default();
    let entry = || source.rate_entry("EUR");
    assert_eq!(entry().key(), None);
    assert!(matches!(
        entry().get().await,
        Err(CacheError::NotInitialized)
    ));
    assert!(matches!(
        entry().evict().await,
        Err(CacheError::NotInitialized)
    ));
    let loaded = entry().refresh(|| source.rate("EUR", true)).await.unwrap();
    assert_eq!(loaded, 1);
}
