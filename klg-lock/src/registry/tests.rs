//! Named clients, and which registry is the current one.

use std::sync::Arc;

use super::{Registry, registry};
use crate::config::{ClientConfig, Config, RedisConfig};
use crate::error::LockError;

async fn two_clients() -> Registry {
    let redis = RedisConfig::default()
        .uri("memory://registry-default")
        .client(
            "session",
            ClientConfig::default()
                .uri("memory://registry-session")
                .prefix("s_"),
        );
    Registry::builder()
        .config(Config::default().redis(redis))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_named_client_has_locks_and_a_store_of_its_own() {
    let registry = two_clients().await;
    let here = registry.mutex().lock("k").acquire().await.unwrap();
    let there = registry
        .mutex_on("session")
        .unwrap()
        .lock("k")
        .acquire()
        .await
        .unwrap();
    assert!(
        registry
            .mutex_on("session")
            .unwrap()
            .lock("k")
            .acquire()
            .await
            .is_err()
    );
    let keys = crate::testing::MemoryServer::named("registry-session").keys();
    assert!(keys.iter().any(|key| key == "s_lock:k"), "{keys:?}");
    registry
        .client("session")
        .unwrap()
        .set("name", "x")
        .await
        .unwrap();
    let value: Option<String> = registry.store().get("name").await.unwrap();
    assert_eq!(value, None);
    assert_eq!(registry.health().len(), 2);
    drop((here, there));
    registry.shutdown().await.unwrap();
    assert!(matches!(
        registry
            .buffer_on("session")
            .unwrap()
            .lock("k")
            .acquire()
            .await,
        Err(LockError::Closed)
    ));
}

#[tokio::test]
async fn an_unknown_client_is_answered_with_the_known_ones() {
    let registry = two_clients().await;
    let error = registry.mutex_on("sesion").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no Redis client is named \"sesion\"; known: default, session"
    );
}

#[tokio::test]
async fn the_current_registry_is_the_scoped_then_the_bound_one() {
    assert!(matches!(registry(), Err(LockError::NotInitialized)));
    let (scoped, bound) = (two_clients().await, two_clients().await);
    let is = |a: &Registry, b: &Registry| Arc::ptr_eq(&a.inner, &b.inner);
    {
        let _bound = bound.bind_runtime();
        let seen = tokio::spawn(async { registry().unwrap() }).await.unwrap();
        assert!(is(&seen, &bound));
        let seen = tokio::task::spawn_blocking(|| registry().unwrap())
            .await
            .unwrap();
        assert!(is(&seen, &bound));
        assert!(is(
            &scoped.scope(async { registry().unwrap() }).await,
            &scoped
        ));
    }
    assert!(matches!(registry(), Err(LockError::NotInitialized)));
}
