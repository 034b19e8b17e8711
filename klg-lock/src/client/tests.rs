//! Links against real servers, started for each test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use klg_lock_tests::poll::within;
use klg_lock_tests::{Peer, Proxy, Server, Way};
use redis::{Cmd, Value};

use super::*;
use crate::error::{Error, NodeError, NodeErrorKind};

const A_WHILE: Duration = Duration::from_secs(10);

fn options() -> LinkOptions {
    LinkOptions {
        name: "test".into(),
        deadline: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(1),
        ..LinkOptions::default()
    }
}

async fn open(uri: &str) -> Link {
    Link::open(&Endpoint::parse(uri).unwrap(), options())
        .await
        .unwrap()
}

fn cmd(words: &[&str]) -> Cmd {
    let mut cmd = Cmd::new();
    cmd.arg(words);
    cmd
}

async fn ask(link: &Link, words: &[&str]) -> Result<Value, NodeError> {
    link.query(&cmd(words)).await
}

/// Commands, one after the other, until one succeeds; how long that took.
async fn recovers(link: &Link, words: &[&str]) -> Duration {
    let start = Instant::now();
    while let Err(error) = ask(link, words).await {
        assert!(start.elapsed() < A_WHILE, "not within {A_WHILE:?}: {error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn commands_and_pipelines_are_answered() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    assert_eq!(ask(&link, &["SET", "k", "1"]).await.unwrap(), Value::Okay);
    let mut pipeline = redis::pipe();
    pipeline.cmd("INCR").arg("k").cmd("LPUSH").arg("k").arg("x");
    let values = link
        .pipeline(&pipeline, Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(values[0], Value::Int(2));
    assert!(matches!(values[1], Value::ServerError(_)));
    let error = ask(&link, &["LPUSH", "k", "x"]).await.unwrap_err();
    assert_eq!(refusal_code(&error), Some("WRONGTYPE"));
    let number: i64 = redis::cmd("GET")
        .arg("k")
        .query_async(&mut super::Backend::Link(link.clone()).connection())
        .await
        .unwrap();
    assert_eq!(number, 2);
    assert_eq!(link.health().state, HealthState::Up);
}

// The harness blocks its thread; the link's own tasks must go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_command_after_a_restart_succeeds_at_once() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    for _ in 0..3 {
        server.restart();
        let start = Instant::now();
        ask(&link, &["PING"]).await.unwrap();
        assert!(
            start.elapsed() < Duration::from_millis(200),
            "{:?}",
            start.elapsed()
        );
    }
    assert_eq!(link.health().reconnects, 3);
}
