//! Links against real servers, started for each test.

#[cfg(feature = "cluster")]
mod cluster;
mod endpoint;
mod faults;
#[cfg(feature = "sentinel")]
mod sentinel;
mod start;
#[cfg(feature = "tls")]
mod tls;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klg_lock_tests::Server;
use redis::{Cmd, PushInfo, Value};

use super::endpoint::Protocol;
use super::*;
use crate::error::{Error, NodeError, NodeErrorKind};
use crate::sync::lock;

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

/// What a listener was told, in order.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.0))
    }

    fn say(&self, what: impl Into<String>) {
        lock(&self.0).push(what.into());
    }
}

impl Listener for Told {
    fn connected(&self, resp3: bool, replies: &[Value]) {
        self.say(format!("connected resp3={resp3} {replies:?}"));
    }

    fn pushed(&self, push: PushInfo) {
        self.say(format!("{:?} {:?}", push.kind, push.data));
    }

    fn disconnected(&self) {
        self.say("disconnected");
    }
}
