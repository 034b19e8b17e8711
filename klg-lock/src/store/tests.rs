use std::time::Duration;

use tokio::time::{Instant, advance};

use crate::testing::MemoryServer;
use crate::{ClientConfig, Error, NodeErrorKind, Store};

fn kind(error: &Error) -> NodeErrorKind {
    match error {
        Error::Redis { error, .. } => error.kind(),
        other => panic!("another error: {other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn scripted_faults_reach_the_store() {
    let server = MemoryServer::named("faults");
    let config = ClientConfig::default().uri(server.uri());
    let store = Store::connect(&config).await.unwrap();
    store.set("k", 1).await.unwrap();
    server.fail(NodeErrorKind::ReadOnly);
    assert_eq!(
        kind(&store.get::<i64>("k").await.unwrap_err()),
        NodeErrorKind::ReadOnly
    );
    server.hang();
    let begun = Instant::now();
    assert_eq!(
        kind(&store.get::<i64>("k").await.unwrap_err()),
        NodeErrorKind::TimedOut
    );
    assert_eq!(begun.elapsed(), Duration::from_millis(500));
    server.recover();
    server.delay_replies(Duration::from_millis(30));
    let begun = Instant::now();
    assert_eq!(store.get::<i64>("k").await.unwrap(), Some(1));
    assert_eq!(begun.elapsed(), Duration::from_millis(30));
    server.heal();
    advance(Duration::from_secs(1)).await;
    store.expire("k", Duration::from_secs(9)).await.unwrap();
    advance(Duration::from_secs(9)).await;
    assert_eq!(store.get::<i64>("k").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_ttl_is_rounded_up() {
    let server = MemoryServer::named("shortest");
    let config = ClientConfig::default().uri(server.uri()).prefix("app_");
    let store = Store::connect(&config).await.unwrap();
    let ttl = Duration::from_nanos(1);
    store.set_ex("k", 1, ttl).await.unwrap();
    assert_eq!(server.ttl("app_k"), Some(Duration::from_millis(1)));
}
