//! The engine on memory nodes, with time paused.

mod contention;
mod ending;
mod fair;
mod holding;
mod waiting;

use std::time::Duration;

use super::Redlock;
use crate::error::LockError;

const TTL: Duration = Duration::from_secs(10);

async fn engine(nodes: &[&str]) -> Redlock {
    Redlock::builder()
        .nodes(nodes.iter().copied())
        .ttl(TTL)
        .connect()
        .await
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn five_nodes_agree_on_one_token_and_survive_two() {
    let nodes = [
        "memory://five-1",
        "memory://five-2",
        "memory://five-3",
        "memory://five-4",
        "memory://five-5",
    ];
    let redlock = engine(&nodes).await;
    let first = redlock.lock(["a", "b"]).acquire().await.unwrap();
    let token = first.fencing_token();
    first.release().await.unwrap();
    for down in &nodes[..2] {
        crate::testing::MemoryServer::named(down.strip_prefix("memory://").unwrap())
            .crash(crate::testing::Memory::Kept);
    }
    let second = redlock.lock("b").acquire().await.unwrap();
    assert!(second.fencing_token() > token);
    second.release().await.unwrap();
    crate::testing::MemoryServer::named("five-3").crash(crate::testing::Memory::Kept);
    let error = redlock.lock("b").acquire().await.unwrap_err();
    assert!(
        matches!(&error, LockError::Unavailable { votes, .. } if votes.len() == 3),
        "{error}"
    );
}
