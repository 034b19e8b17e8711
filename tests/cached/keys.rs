//! Each source of a key.

use std::sync::atomic::{AtomicU32, Ordering};

use klg_lock::cached;

use super::*;

impl Source {
    #[cached("{self.tenant}:{query.page.1}", scope = "page")]
    async fn page(&self, query: &Query) -> Result<u32, AppError> {
        Ok(query.page.0 + self.load())
    }

    #[cached(ttl = "1m")]
    async fn profile(&self, #[cache_key("id")] query: Query) -> Result<u32, AppError> {
        Ok(query.page.0 + self.load())
    }

    #[cached(scope = "report")]
    async fn report(&self, #[cache_key] year: u32, #[cache_key] month: u32, _: &str) -> u32 {
        year + month + self.load()
    }

    #[cached(key = format!("k{}", id + 1))]
    async fn computed(&self, id: u64) -> u32 {
        self.load()
    }
}

#[cached(ttl = "5m")]
async fn without_arguments() -> Vec<u32> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    vec![CALLS.fetch_add(1, Ordering::Relaxed)]
}

#[tokio::test]
async fn each_source_of_a_key_caches_under_that_key() {
    on_each(async |registry, source| {
        let cache = registry.cache();
        let query = || Query {
            id: 7,
            page: (10, 3),
        };
        assert_eq!(source.page(&query()).await.unwrap(), 11);
        assert_eq!(cache.get("page:acme:3").await.unwrap(), Some(11_u32));
        // Marked parameters stand behind the function's name, unless there is a scope.
        assert_eq!(source.profile(query()).await.unwrap(), 12);
        assert_eq!(source.profile(query()).await.unwrap(), 12);
        assert_eq!(cache.get("profile:7").await.unwrap(), Some(12_u32));
        assert_eq!(source.report(2000, 12, "x").await, 2015);
        assert_eq!(source.report(2000, 12, "y").await, 2015);
        assert_eq!(cache.get("report:2000:12").await.unwrap(), Some(2015_u32));
        assert_eq!(source.computed(4).await, 4);
        assert_eq!(cache.get("k5").await.unwrap(), Some(4_u32));
        let list = without_arguments().await;
        assert_eq!(without_arguments().await, list);
        assert_eq!(cache.get("without_arguments").await.unwrap(), Some(list));
    })
    .await;
}
