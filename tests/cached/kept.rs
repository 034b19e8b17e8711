//! Which values are kept, for how long, and where.

use std::time::Duration;

use klg_lock::{CacheConfig, Config, Registry, cached};
use klg_lock_tests::Server;

use super::*;

impl Source {
    #[cached("conditional:{id}", condition = id > 10, unless = |load| *load == 2)]
    async fn conditional(&self, id: u64) -> u32 {
        self.load()
    }

    #[cached("near", l1_ttl = "1m")]
    async fn near(&self) -> u32 {
        self.load()
    }

    #[cached("far", l1 = false)]
    async fn far(&self) -> u32 {
        self.load()
    }

    #[cached("late", ttl = "100ms")]
    async fn short(&self) -> u32 {
        self.load()
    }

    #[cached("maybe:{id}", none_ttl = "5m")]
    pub(crate) async fn maybe(&self, id: u64) -> Option<u32> {
        let load = self.load();
        (id > 0).then_some(load)
    }

    #[cached("forgotten:{id}")]
    async fn forgotten(&self, id: u64) -> Option<u32> {
        let load = self.load();
        (id > 0).then_some(load)
    }
}

#[tokio::test]
async fn a_condition_goes_past_the_cache_and_unless_looks_at_the_value() {
    on_each(async |registry, source| {
        assert_eq!(source.conditional(1).await, 1);
        let past: Option<u32> = registry.cache().get("conditional:1").await.unwrap();
        assert_eq!(past, None);
        assert_eq!(source.conditional(11).await, 2);
        assert_eq!(source.conditional(11).await, 3);
        assert_eq!(source.conditional(11).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_value_is_loaded_anew_when_its_time_is_over() {
    on_each(async |_, source| {
        assert_eq!(source.short().await, 1);
        tokio::time::timeout(Duration::from_secs(30), async {
            while source.short().await == 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("it expires");
        assert!(source.loads() >= 2);
    })
    .await;
}

#[tokio::test]
async fn a_none_is_remembered_where_that_is_asked_for_alone() {
    on_each(async |_, source| {
        assert_eq!(source.maybe(0).await, None);
        assert_eq!(source.maybe(0).await, None);
        assert_eq!(source.loads(), 1);
        assert_eq!(source.maybe(1).await, Some(2));
        assert_eq!(source.maybe(1).await, Some(2));
        assert_eq!(source.forgotten(0).await, None);
        assert_eq!(source.forgotten(0).await, None);
        assert_eq!(source.loads(), 4);
        assert_eq!(source.forgotten(1).await, Some(5));
        assert_eq!(source.forgotten(1).await, Some(5));
    })
    .await;
}

#[tokio::test]
async fn a_value_is_kept_in_the_process_unless_the_attribute_says_otherwise() {
    let server = Server::start();
    let cache = CacheConfig::default()
        .ttl_jitter(0.0)
        .beta(0.0)
        .l1(klg_lock::config::L1Config::default().enabled(true));
    let config = Config::default().uri(server.uri()).cache(cache);
    let registry = Registry::builder().config(config).build().await.unwrap();
    let source = Source::default();
    let hits = |name: &str| {
        let stats = registry.cache().stats();
        let counts = stats.of(name).unwrap();
        (counts.l1_hits, counts.l2_hits)
    };
    let scoped = async {
        // The first one loads, the second one asks the server, and keeps the answer.
        let local = async || {
            while hits("near").0 == 0 {
                assert_eq!(source.near().await, 1);
            }
        };
        assert_eq!(source.near().await, 1);
        let kept = tokio::time::timeout(Duration::from_secs(30), local()).await;
        kept.expect("it is kept in the process");
        for _ in 0..10 {
            assert_eq!(source.far().await, 2);
        }
        assert_eq!(hits("far"), (0, 9));
    };
    registry.scope(scoped).await;
    assert_eq!(source.loads(), 2);
}
