//! What is said once, when a node is first connected.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

/// The warnings of this thread.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn count(&self, words: &str) -> usize {
        lock(&self.0)
            .iter()
            .filter(|text| text.contains(words))
            .count()
    }
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        lock(&self.0).push(text);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_server_that_forgets_evicts_or_does_not_push_is_warned_of_once() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let good = Server::with().durable().start();
    let node = open(&good.uri()).await;
    assert_eq!(*lock(&warnings.0), Vec::<String>::new());
    drop(node);

    let bad = Server::with()
        .max_memory(100_000_000, "volatile-ttl")
        .password("secret")
        .start();
    let node = open(&format!("{}?protocol=resp2", bad.uri())).await;
    for _ in 0..2 {
        for words in [
            "may evict lock keys",
            "keeps nothing on disk",
            "waiting locks poll",
        ] {
            assert_eq!(warnings.count(words), 1, "{words}");
        }
        assert_eq!(warnings.count("secret"), 0);
        bad.control().kill_clients();
        recovers(&node, "k").await;
    }
    assert_eq!(node.health().reconnects, 2);
}

#[tokio::test]
async fn an_outage_is_warned_of_once_and_not_for_every_attempt() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let server = Server::start();
    let proxy = klg_lock_tests::Proxy::to(server.address());
    let node = open(&proxy.uri()).await;
    proxy.refuse();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(warnings.count("Redis is down"), 1);
    proxy.accept();
    recovers(&node, "k").await;
    assert_eq!(warnings.count("Redis is down"), 1);
}

#[tokio::test]
async fn a_user_who_may_not_kill_is_warned_of_and_served() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let server = Server::with()
        .user("app", "on >pw ~* &* +@all -client|kill")
        .start();
    let node = open(&server.uri_as("app", "pw")).await;
    for _ in 0..2 {
        server.control().kill_clients();
        recovers(&node, "k").await;
    }
    assert!(node.pushes());
    assert_eq!(warnings.count("may not use CLIENT KILL"), 1);
}
