//! The node against real servers, started for each test.

use std::sync::Mutex;

use klg_lock_tests::Server;

use super::*;
use crate::node::{Claim, KeySet, LockKey, NodeOptions, Occupied, Op, Vote};
use crate::sync::lock;

const TTL: Duration = Duration::from_secs(10);
const RELEASE: Op = Op::Release { keep_trying: TTL };
const ACQUIRE: Op = Op::Acquire {
    ttl: TTL,
    reserve: 1,
};

fn claim(resources: &[&str], value: &str) -> Arc<Claim> {
    let keys = resources.iter().map(|resource| LockKey {
        lock: format!("p_lock:{resource}").into(),
        fence: format!("p_fence:{{p_lock:{resource}}}").into(),
    });
    Arc::new(Claim::new(
        Arc::new(KeySet::new(keys.collect(), "p_lock:".len())),
        value,
    ))
}

async fn node(server: &Server) -> RedisNode {
    open(&server.uri()).await
}

async fn open(uri: &str) -> RedisNode {
    let endpoint = Endpoint::parse(uri).unwrap();
    let (node, connected) = RedisNode::start(&endpoint, &NodeOptions::default()).await;
    connected.unwrap();
    node
}

async fn ask(node: &RedisNode, claim: &Arc<Claim>, op: Op) -> Result<Vote, NodeError> {
    let claim = claim.clone();
    if matches!(op, Op::Release { .. }) {
        claim.mark_released();
    }
    node.submit(Request { claim, op }).await.unwrap()
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

#[tokio::test]
async fn a_held_key_refuses_others_and_says_who_and_for_how_long() {
    let server = Server::start();
    let node = node(&server).await;
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let first = end(ask(&node, &a, ACQUIRE).await);
    assert!(first > 1_700_000_000_000_000, "microseconds: {first}");
    match ask(&node, &b, ACQUIRE).await.unwrap() {
        Vote::Held(Occupied {
            key: 0,
            value: Some(value),
            remaining: Some(remaining),
        }) => {
            assert_eq!(&*value, "a");
            assert!(remaining <= TTL && remaining > TTL / 2, "{remaining:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        ask(&node, &a, RELEASE).await.unwrap(),
        Vote::Granted { end: 0 }
    );
    assert_eq!(end(ask(&node, &b, ACQUIRE).await), first + 1);
}
