//! Engines and registries that cannot work are refused when they are built, in plain words.

use std::time::Duration;

use klg_lock::config::RedlockConfig;
use klg_lock::{Config, Error, LockError, Redlock, Registry, mutex_lock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::registry;

/// What an engine on these nodes is refused with.
async fn refused(nodes: &[&str]) -> String {
    let built = Redlock::builder()
        .nodes(nodes.iter().copied())
        .mutex()
        .connect();
    match built.await.unwrap_err() {
        error @ Error::Config(_) => error.to_string(),
        other => panic!("another error: {other:?}"),
    }
}

#[tokio::test]
async fn an_engine_needs_nodes_each_named_once() {
    let text = refused(&[]).await;
    assert!(
        text.contains("redis://"),
        "it does not show the way out: {text}"
    );
    let server = Server::start();
    let uri = server.uri();
    let same = format!("{uri}/3");
    for twice in [[uri.as_str(), &uri], [&uri, &same]] {
        let text = refused(&twice).await;
        assert!(text.contains(&server.address().to_string()), "{text}");
        assert!(text.contains("twice"), "{text}");
    }
    let nodes = Config::default().nodes([uri.as_str(), &uri]);
    let built = Registry::builder().config(nodes).build().await;
    assert!(matches!(built, Err(Error::Config(_))), "{built:?}");
}

#[tokio::test]
async fn a_uri_that_is_none_is_refused_without_telling_its_password() {
    for uri in [
        "",
        "localhost:6380",
        "http://:secret@localhost:6380",
        "redis://",
        "redis://:secret@localhost:port",
        "redis://:secret@localhost:99999",
        "redis://:secret@localhost:6380/database",
        "redis+sentinel://:secret@localhost:26379",
        "redis+cluster://",
        "redis+unix://",
        "redis://:secret@localhost:6380?protocol=resp9",
    ] {
        let text = refused(&[uri]).await;
        assert!(!text.contains("secret"), "{uri}: {text}");
        assert!(text.len() > 30, "{uri}: {text}");
    }
}

#[tokio::test]
async fn impossible_settings_of_an_engine_are_refused() {
    let builder = || Redlock::builder().nodes(["memory://"]);
    for (what, built) in [
        ("ttl", builder().ttl(Duration::ZERO)),
        ("ttl", builder().ttl(Duration::MAX)),
        ("drift", builder().drift_factor(1.0)),
        ("drift", builder().drift_factor(-0.1)),
        ("drift", builder().drift_factor(f64::NAN)),
        ("max_hold", builder().max_hold(Duration::ZERO)),
        ("prefix", builder().prefix("a{b")),
        ("namespace", builder().namespace("{b}")),
    ] {
        let error = built.mutex().connect().await.unwrap_err();
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn impossible_settings_of_a_registry_are_refused() {
    let redlock = RedlockConfig::default().ttl(Duration::ZERO);
    let config = Config::default().uri("memory://").redlock(redlock);
    let built = Registry::builder().config(config).build().await;
    assert!(matches!(built, Err(Error::Config(_))), "{built:?}");
}

#[tokio::test]
async fn an_unknown_client_is_told_with_the_known_ones() {
    let server = Server::start();
    let registry = registry(&server).await;
    let told = registry.client("sesion").unwrap_err();
    let LockError::UnknownClient { name, known } = &told else {
        panic!("{told}");
    };
    assert_eq!(&**name, "sesion");
    assert_eq!(&**known, ["default"]);
}

#[mutex_lock("key1")]
async fn annotated() -> Result<(), LockError> {
    Ok(())
}

#[tokio::test]
async fn the_current_registry_is_that_of_the_scope_or_of_the_runtime() {
    let server = Server::start();
    let registry = registry(&server).await;
    assert!(matches!(annotated().await, Err(LockError::NotInitialized)));

    registry.scope(annotated()).await.unwrap();
    let spawned = registry.scope(async { tokio::spawn(annotated()).await.unwrap() });
    assert!(matches!(spawned.await, Err(LockError::NotInitialized)));

    let bound = registry.bind_runtime();
    annotated().await.unwrap();
    tokio::spawn(annotated()).await.unwrap().unwrap();
    tokio::task::spawn_blocking(|| klg_lock::registry().map(|_| ()))
        .await
        .unwrap()
        .unwrap();
    drop(bound);
    assert!(matches!(annotated().await, Err(LockError::NotInitialized)));
}
