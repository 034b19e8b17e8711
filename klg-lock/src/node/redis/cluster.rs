//! A cluster as one node: each request goes to the server that owns its slot, and follows it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Server;
use super::job::{Job, Redirection};
use super::lane::{Lane, Router, closed};
use crate::client::layout::{self, Layout};
use crate::client::{Address, Backoff, Dialer, Endpoint, Kind, Mode};
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Node, NodeOptions, Reply, Request, WakeSink};
use crate::slot::key_slot;
use crate::sync::lock;

/// A cluster that votes on locks.
pub(crate) struct ClusterNode {
    core: Arc<Core>,
    /// Learns anew who owns which slot.
    task: AbortHandle,
}

struct Core {
    this: Weak<Core>,
    endpoint: Endpoint,
    options: NodeOptions,
    map: Mutex<Map>,
    learn: Notify,
    sink: OnceLock<(usize, Weak<dyn WakeSink>)>,
    closing: AtomicBool,
}

/// Who owns which slot, as far as is known.
#[derive(Default)]
struct Map {
    shards: Vec<Shard>,
    layout: Layout,
    /// Releases whose slot nobody is known to own.
    orphans: Vec<Job>,
}

struct Shard {
    address: Address,
    server: Server,
}

/// The layout is not asked for more often than this, however many requests are sent on.
const LEARN_AFTER: Duration = Duration::from_millis(50);

impl ClusterNode {
    /// Starts the node; resolves with it and with how the first attempt to connect went.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub(crate) async fn start(
        endpoint: &Endpoint,
        options: &NodeOptions,
    ) -> (Self, Result<(), NodeError>) {
        let core = Arc::new_cyclic(|this| Core {
            this: this.clone(),
            endpoint: endpoint.clone(),
            options: options.clone(),
            map: Mutex::default(),
            learn: Notify::new(),
            sink: OnceLock::new(),
            closing: AtomicBool::new(false),
        });
        let first = core.learn().await;
        let task = tokio::spawn(keep_learning(core.clone())).abort_handle();
        if first.is_err() {
            core.learn.notify_one();
        }
        (Self { core, task }, first)
    }
}

/// Runs until the node is dropped.
async fn keep_learning(core: Arc<Core>) {
    loop {
        core.learn.notified().await;
        let mut backoff = Backoff::new();
        loop {
            tokio::time::sleep(backoff.next().max(LEARN_AFTER)).await;
            core.drop_expired_orphans();
            match core.learn().await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(server = %core.endpoint, %error, "nobody tells who owns the cluster's slots");
                }
            }
        }
    }
}

impl Core {
    /// Asks the servers who owns which slot, and acts on the first answer.
    async fn learn(&self) -> Result<(), NodeError> {
        let dialer = Dialer {
            endpoint: self.endpoint.clone(),
            name: format!("klg-lock:{}", self.options.name).into(),
            timeout: self.options.connect_timeout,
            master: false,
            mode: Mode::Cluster,
            identify: false,
        };
        let layout = layout::ask_any(&dialer, self.candidates()).await?;
        self.apply(layout).await;
        Ok(())
    }

    fn candidates(&self) -> Vec<Address> {
        let mut all: Vec<Address> = {
            let map = lock(&self.map);
            map.shards.iter().map(|s| s.address.clone()).collect()
        };
        if let Kind::Cluster(seeds) = &self.endpoint.kind {
            all.extend(
                seeds
                    .iter()
                    .filter(|seed| !all.contains(seed))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
        }
        all
    }

    /// Takes a layout over: opens lanes to new owners, and closes those that own nothing any more.
    async fn apply(&self, layout: Layout) {
        let mut connecting = Vec::new();
        let mut homeless = Vec::new();
        let mut left = Vec::new();
        {
            let mut map = lock(&self.map);
            for address in layout.owners() {
                connecting.extend(self.open(&mut map, address));
            }
            let map = &mut *map;
            for shard in std::mem::take(&mut map.shards) {
                if layout.owners().contains(&shard.address) {
                    map.shards.push(shard);
                } else {
                    homeless.extend(shard.server.lane.state().take_parked());
                    left.push(shard);
                }
            }
            homeless.append(&mut map.orphans);
            map.layout = layout;
        }
        drop(left);
        for job in homeless {
            self.route(job);
        }
        // The first attempt of each, so that a node that has just been opened can be used.
        for connected in connecting {
            let _ = connected.await;
        }
    }

    /// The lane to a server, opened if need be; resolves when its first attempt is over.
    fn open(
        &self,
        map: &mut Map,
        address: &Address,
    ) -> Option<tokio::sync::oneshot::Receiver<Result<(), NodeError>>> {
        if self.closing.load(Ordering::Acquire) || map.lane(address).is_some() {
            return None;
        }
        let endpoint = self.endpoint.at(address.clone());
        let router: Weak<dyn Router> = self.this.clone();
        let (server, connected) = Server::start(&endpoint, &self.options, Some(router));
        if let Some((index, sink)) = self.sink.get() {
            server.lane.attach(*index, sink.clone());
        }
        map.shards.push(Shard {
            address: address.clone(),
            server,
        });
        Some(connected)
    }

    /// Hands a job to the owner of its slot.
    fn route(&self, job: Job) {
        let slot = job
            .request
            .claim
            .keys
            .keys()
            .first()
            .map(|key| key_slot(&key.lock));
        let mut map = lock(&self.map);
        let owner = slot.and_then(|slot| map.layout.owner(slot));
        match owner.and_then(|address| map.lane(address)) {
            Some(lane) => {
                drop(map);
                lane.take(job, Instant::now());
            }
            None if self.closing.load(Ordering::Acquire) => {
                drop(map);
                job.answer(Err(closed()));
            }
            None => {
                self.learn.notify_one();
                if job.is_release() {
                    map.orphans.push(job);
                    return;
                }
                drop(map);
                job.answer(Err(NodeError::new(
                    NodeErrorKind::Unreachable,
                    "no server of the cluster is known to own the key's slot",
                )));
            }
        }
    }

    fn drop_expired_orphans(&self) {
        let now = Instant::now();
        let expired: Vec<Job> = lock(&self.map)
            .orphans
            .extract_if(.., |job| job.until <= now)
            .collect();
        for job in expired {
            job.answer(Err(NodeError::new(
                NodeErrorKind::Unreachable,
                "no server of the cluster took the release in time",
            )));
        }
    }

    fn lanes(&self) -> Vec<Arc<Lane>> {
        let map = lock(&self.map);
        map.shards.iter().map(|s| s.server.lane.clone()).collect()
    }
}

impl Router for Core {
    fn redirect(&self, mut job: Job, redirection: Redirection) {
        let mut map = lock(&self.map);
        let to = match redirection {
            Redirection::Moved { slot, to } => {
                let to = map.known(to);
                self.learn.notify_one();
                map.layout.move_to(slot, &to);
                to
            }
            Redirection::Ask { to } => {
                job.form.asking = true;
                map.known(to)
            }
        };
        drop(self.open(&mut map, &to));
        let lane = map.lane(&to);
        drop(map);
        match lane {
            Some(lane) => lane.take(job, Instant::now()),
            None => job.answer(Err(closed())),
        }
    }

    fn lost(&self) {
        self.learn.notify_one();
    }
}

impl Map {
    /// The address a server means: one that does not know its host names the port alone.
    fn known(&self, to: Address) -> Address {
        let Address::Tcp { host, port } = &to else {
            return to;
        };
        if !host.is_empty() {
            return to;
        }
        let same =
            |shard: &&Shard| matches!(&shard.address, Address::Tcp { port: p, .. } if p == port);
        match self.shards.iter().find(same).or(self.shards.first()) {
            Some(Shard {
                address: Address::Tcp { host, .. },
                ..
            }) => Address::Tcp {
                host: host.clone(),
                port: *port,
            },
            _ => to,
        }
    }

    fn lane(&self, address: &Address) -> Option<Arc<Lane>> {
        let shard = self.shards.iter().find(|shard| shard.address == *address)?;
        Some(shard.server.lane.clone())
    }
}

impl Node for ClusterNode {
    fn label(&self) -> &str {
        self.core.endpoint.label()
    }

    fn submit(&self, request: Request) -> Reply {
        let (job, reply) = Job::new(request, self.core.options.deadline, Instant::now());
        self.core.route(job);
        reply
    }

    fn pushes(&self) -> bool {
        let lanes = self.core.lanes();
        !lanes.is_empty() && lanes.iter().all(|lane| lane.pushes())
    }

    fn single_slot(&self) -> bool {
        true
    }

    fn attach(&self, index: usize, sink: Weak<dyn WakeSink>) {
        let _ = self.core.sink.set((index, sink.clone()));
        for lane in self.core.lanes() {
            lane.attach(index, sink.clone());
        }
    }

    fn close(&self, bound: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.core.closing.store(true, Ordering::Release);
        let (closing, orphans): (Vec<_>, Vec<_>) = {
            let mut map = lock(&self.core.map);
            let closing = map.shards.iter().map(|s| s.server.close(bound)).collect();
            (closing, std::mem::take(&mut map.orphans))
        };
        for job in orphans {
            job.answer(Err(closed()));
        }
        let task = self.task.clone();
        Box::pin(async move {
            futures_util::future::join_all(closing).await;
            task.abort();
        })
    }
}

impl Drop for ClusterNode {
    fn drop(&mut self) {
        // The lanes finish their releases by themselves; see `Server`.
        self.core.closing.store(true, Ordering::Release);
        self.task.abort();
    }
}

impl fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.core.lanes();
        f.debug_struct("ClusterNode")
            .field("label", &self.label())
            .field(
                "servers",
                &Vec::from_iter(lanes.iter().map(|lane| lane.monitor.health())),
            )
            .finish()
    }
}
