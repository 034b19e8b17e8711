//! What a user writes by hand: the `redis` crate on one multiplexed connection per node,
//! `SET NX PX`, `EVALSHA` compare-and-delete, and polling at random.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use rand::RngExt;
use redis::IntoConnectionInfo;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;

const RELEASE: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";

/// As `rslock`: a random share of this between two tries.
const DELAY: Duration = Duration::from_millis(200);

const TTL_MILLIS: u64 = 60_000;

/// One connection per node.
#[derive(Debug)]
pub struct Raw {
    nodes: Vec<MultiplexedConnection>,
    release: String,
}

impl Raw {
    /// With the crate's own settings, in which the kernel puts small packets together, or with those of
    /// a connection on which no request waits for the answer to another.
    pub(super) async fn connect(uris: &[String], nodelay: bool) -> Result<Self> {
        let mut nodes = Vec::new();
        let mut release = String::new();
        for uri in uris {
            let settings = TcpSettings::default().set_nodelay(nodelay);
            let info = uri.as_str().into_connection_info()?;
            let client = redis::Client::open(info.set_tcp_settings(settings))?;
            let mut node = client.get_multiplexed_async_connection().await?;
            release = redis::cmd("SCRIPT")
                .arg("LOAD")
                .arg(RELEASE)
                .query_async(&mut node)
                .await?;
            nodes.push(node);
        }
        Ok(Self { nodes, release })
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let value = self.acquire(key).await;
        let output = section().await;
        let released = self.release(key, &value).await;
        anyhow::ensure!(released >= self.quorum(), "{key} was lost");
        Ok(output)
    }

    fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    async fn acquire(&self, key: &str) -> [u8; 20] {
        loop {
            let value = rand::rng().random();
            let grants = match self.nodes.as_slice() {
                [node] => usize::from(set(node.clone(), key, &value).await),
                nodes => join_all(nodes.iter().map(|node| set(node.clone(), key, &value)))
                    .await
                    .into_iter()
                    .map(usize::from)
                    .sum(),
            };
            if grants >= self.quorum() {
                return value;
            }
            if grants > 0 {
                self.release(key, &value).await;
            }
            let pause = DELAY.mul_f64(rand::rng().random_range(0.0..1.0));
            tokio::time::sleep(pause).await;
        }
    }

    async fn release(&self, key: &str, value: &[u8; 20]) -> usize {
        let delete = |node: &MultiplexedConnection| {
            let (mut node, release) = (node.clone(), &self.release);
            async move {
                let deleted: redis::RedisResult<usize> = redis::cmd("EVALSHA")
                    .arg(release)
                    .arg(1)
                    .arg(key)
                    .arg(value)
                    .query_async(&mut node)
                    .await;
                deleted.unwrap_or(0)
            }
        };
        match self.nodes.as_slice() {
            [node] => delete(node).await,
            nodes => join_all(nodes.iter().map(delete)).await.into_iter().sum(),
        }
    }
}

async fn set(mut node: MultiplexedConnection, key: &str, value: &[u8; 20]) -> bool {
    let reply: redis::RedisResult<Option<String>> = redis::cmd("SET")
        .arg(key)
        .arg(value)
        .arg("NX")
        .arg("PX")
        .arg(TTL_MILLIS)
        .query_async(&mut node)
        .await
        .context("SET")
        .or_else(|_| Ok(None));
    matches!(reply, Ok(Some(_)))
}
