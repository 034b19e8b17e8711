//! A node on Redis: one connection of its own, one task, the protocol's scripts.

mod advice;
#[cfg(feature = "cluster")]
mod cluster;
mod driver;
mod job;
mod lane;
mod live;
mod prolonged;
mod reply;
mod script;
#[cfg(test)]
mod tests;
mod traffic;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

#[cfg(feature = "cluster")]
pub(super) use self::cluster::ClusterNode;
use self::driver::{Driver, Warned};
use self::lane::{Lane, Router};
use super::{Node, Reply, Request, WakeSink};
use crate::client::{Dialer, Endpoint, Health, Mode, Monitor};
use crate::error::NodeError;
use crate::node::NodeOptions;

/// One Redis server that votes on locks.
pub(crate) struct RedisNode {
    label: Box<str>,
    server: Server,
}

/// One server's lane, and the task behind it.
struct Server {
    lane: Arc<Lane>,
    ended: watch::Receiver<()>,
    task: AbortHandle,
}

impl Server {
    /// Starts the task; the receiver tells how the first attempt to connect went.
    fn start(
        endpoint: &Endpoint,
        options: &NodeOptions,
        router: Option<Weak<dyn Router>>,
    ) -> (Self, oneshot::Receiver<Result<(), NodeError>>) {
        let mode = match router {
            Some(_) => Mode::Cluster,
            None => Mode::Standalone,
        };
        let lane = Arc::new(Lane::new(
            options.deadline,
            Monitor::new(&options.name, endpoint.label()),
            router,
        ));
        let (ended_sender, ended) = watch::channel(());
        let driver = Driver {
            lane: lane.clone(),
            dialer: Dialer {
                endpoint: endpoint.clone(),
                name: format!("klg-lock:{}", options.name).into(),
                timeout: options.connect_timeout,
                master: true,
                mode,
                identify: true,
            },
            tracking: options.tracking,
            ping_interval: options.ping_interval,
            before: None,
            warned: Warned::default(),
            ended: ended_sender,
        };
        let (first, connected) = oneshot::channel();
        let task = tokio::spawn(driver.run(first)).abort_handle();
        (Self { lane, ended, task }, connected)
    }

    /// Resolves when what is queued has been answered, or `bound` is over.
    fn close(&self, bound: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.lane.close();
        let mut ended = self.ended.clone();
        let task = self.task.clone();
        async move {
            // The task's own sender is gone with it.
            let over = async { while ended.changed().await.is_ok() {} };
            if tokio::time::timeout(bound, over).await.is_err() {
                task.abort();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Not aborted: the last lock may be dropped with its engine, and its release is queued. The
        // task ends when that is answered, at the latest when the lock's TTL is over.
        self.lane.close();
    }
}

impl RedisNode {
    /// Starts the node; resolves with it and with how the first attempt to connect went.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub(crate) async fn start(
        endpoint: &Endpoint,
        options: &NodeOptions,
    ) -> (Self, Result<(), NodeError>) {
        let (server, connected) = Server::start(endpoint, options, None);
        let node = Self {
            label: endpoint.label().into(),
            server,
        };
        let connected = connected.await.unwrap_or_else(|_| Err(lane::closed()));
        (node, connected)
    }

    pub(crate) fn health(&self) -> Health {
        self.server.lane.monitor.health()
    }
}

impl Node for RedisNode {
    fn label(&self) -> &str {
        &self.label
    }

    fn submit(&self, request: Request) -> Reply {
        self.server.lane.submit(request)
    }

    fn pushes(&self) -> bool {
        self.server.lane.pushes()
    }

    fn single_slot(&self) -> bool {
        false
    }

    fn attach(&self, index: usize, sink: Weak<dyn WakeSink>) {
        self.server.lane.attach(index, sink);
    }

    fn close(&self, bound: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.server.close(bound))
    }
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode")
            .field("label", &self.label)
            .field("health", &self.health())
            .finish()
    }
}
