//! The node against real servers, started for each test.

#[cfg(feature = "cluster")]
mod cluster;
mod faults;
mod given;
#[cfg(any(feature = "sentinel", feature = "tls"))]
mod kinds;
mod many;
mod order;
mod pushes;
mod scripts;
mod start;
mod warnings;

use std::sync::Mutex;

use klg_lock_tests::Server;

use super::*;
use crate::error::NodeErrorKind;
use crate::node::{Channels, Claim, Given, KeySet, LockKey, NodeOptions, Occupied, Op, Vote};
use crate::sync::lock;

const TTL: Duration = Duration::from_secs(10);
const RELEASE: Op = Op::Release { keep_trying: TTL };
const ACQUIRE: Op = Op::Acquire {
    ttl: TTL,
    reserve: 1,
};
const EXTEND: Op = Op::Extend {
    ttl: TTL,
    reserve: 0,
};
const A_WHILE: Duration = Duration::from_secs(10);

fn claim(resources: &[&str], value: &str) -> Arc<Claim> {
    let keys = resources.iter().map(|resource| LockKey {
        lock: lock_key(resource).into(),
        fence: fence_key(resource).into(),
    });
    Arc::new(Claim::new(
        Arc::new(KeySet::new(keys.collect(), "p_lock:".len())),
        value,
    ))
}

fn lock_key(resource: &str) -> String {
    format!("p_lock:{resource}")
}

fn fence_key(resource: &str) -> String {
    format!("p_fence:{{p_lock:{resource}}}")
}

async fn node(server: &Server) -> RedisNode {
    open(&server.uri()).await
}

async fn open(uri: &str) -> RedisNode {
    let (node, connected) = start(uri, NodeOptions::default()).await;
    connected.unwrap();
    node
}

async fn start(uri: &str, options: NodeOptions) -> (RedisNode, Result<(), NodeError>) {
    RedisNode::start(&Endpoint::parse(uri).unwrap(), &options).await
}

fn submit(node: &RedisNode, claim: &Arc<Claim>, op: Op) -> Reply {
    let claim = claim.clone();
    if matches!(op, Op::Release { .. }) {
        claim.mark_released();
    }
    node.submit(Request { claim, op })
}

async fn ask(node: &RedisNode, claim: &Arc<Claim>, op: Op) -> Result<Vote, NodeError> {
    submit(node, claim, op)
        .await
        .expect("every request is answered")
}

fn end(vote: Result<Vote, NodeError>) -> u64 {
    match vote {
        Ok(Vote::Granted { end }) => end,
        other => panic!("not granted: {other:?}"),
    }
}

fn holder(vote: Result<Vote, NodeError>) -> String {
    match vote {
        Ok(Vote::Held(occupied)) => occupied.value.expect("a string").into(),
        other => panic!("not held: {other:?}"),
    }
}

fn kind(vote: Result<Vote, NodeError>) -> NodeErrorKind {
    vote.expect_err("an error").kind()
}

/// Asks again and again until the node answers.
async fn recovers(node: &RedisNode, resource: &str) -> Duration {
    let begun = std::time::Instant::now();
    while let Err(error) = ask(node, &claim(&[resource], "probe"), Op::Inspect).await {
        assert!(begun.elapsed() < A_WHILE, "not within {A_WHILE:?}: {error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

#[derive(Default)]
struct Pushes {
    told: Mutex<Vec<(usize, Option<String>)>>,
    given: Mutex<Vec<(String, Given)>>,
    wanted: Mutex<Vec<String>>,
    /// Listens as this process.
    process: Option<String>,
}

impl Pushes {
    fn attached(node: &RedisNode, index: usize) -> Arc<Self> {
        let pushes = Arc::new(Self::default());
        let sink: Arc<dyn WakeSink> = pushes.clone();
        node.attach(index, Arc::downgrade(&sink));
        pushes
    }

    fn take(&self) -> Vec<(usize, Option<String>)> {
        std::mem::take(&mut lock(&self.told))
    }
}

impl WakeSink for Pushes {
    fn wake(&self, index: usize, key: Option<&str>) {
        lock(&self.told).push((index, key.map(Into::into)));
    }

    fn given(&self, place: &str, given: Given) {
        lock(&self.given).push((place.to_owned(), given));
    }

    fn wanted(&self, key: &str) {
        lock(&self.wanted).push(key.to_owned());
    }

    fn channels(&self) -> Option<Channels> {
        let process = self.process.as_deref()?;
        Some(Channels {
            given: format!("p_given:{process}").into(),
            wanted: "p_wanted:".into(),
            process: process.into(),
        })
    }
}
