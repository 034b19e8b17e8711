//! The task behind a link: connects, watches, and begins again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, Value,
};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::backoff::Backoff;
use super::batch::Batched;
use super::dial::Wire;
use super::fault::crate_fault;
use super::options::Listener;
use super::shared::{Generation, Shared, Slot};
use super::transport::{Ask, One, Transport};
use crate::error::{NodeError, NodeErrorKind};

/// A connection that is not even alive after this is not waited for.
const PROBE: Duration = Duration::from_millis(500);

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    generation: Generation,
    /// Closed when the task ends.
    ended: watch::Sender<()>,
}

/// A connection at work, and what it takes down with it when dropped.
struct Live {
    transport: Transport,
    driver: Option<Driver>,
    presence: Arc<Presence>,
}

/// The crate's task that reads and writes.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells the listener of the loss once, whoever notices it first.
struct Presence {
    listener: Option<Arc<dyn Listener>>,
    present: AtomicBool,
}

impl Presence {
    fn arrived(&self, resp3: bool, replies: &[Value]) {
        self.present.store(true, Ordering::Release);
        if let Some(listener) = &self.listener {
            listener.connected(resp3, replies);
        }
    }

    fn lost(&self) {
        if self.present.swap(false, Ordering::AcqRel)
            && let Some(listener) = &self.listener
        {
            listener.disconnected();
        }
    }

    fn pushed(&self, push: PushInfo) {
        if push.kind == PushKind::Disconnection {
            self.lost();
        } else if let Some(listener) = &self.listener {
            listener.pushed(push);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.presence.lost();
    }
}

impl Supervisor {
    pub(super) fn new(shared: Arc<Shared>, ended: watch::Sender<()>) -> Self {
        Self {
            shared,
            generation: 0,
            ended,
        }
    }

    /// Runs until the link is closed; tells `first` how the first attempt to connect went.
    pub(super) async fn run(mut self, first: oneshot::Sender<Result<(), NodeError>>) {
        let mut first = Some(first);
        let mut backoff = Backoff::new();
        if self.shared.options.lazy && !self.wait_for_demand().await {
            return;
        }
        loop {
            if !self.pause(backoff.next()).await {
                return;
            }
            let outcome = match self.connect().await {
                Ok(live) => {
                    if let Some(first) = first.take() {
                        let _ = first.send(Ok(()));
                    }
                    let connected = Instant::now();
                    let fault = self.watch(live).await;
                    // A server that takes connections only to break them is no reason to spin.
                    if connected.elapsed() > Duration::from_secs(1) {
                        backoff.reset();
                    }
                    fault
                }
                Err(error) => Some(error),
            };
            let Some(error) = outcome else {
                return;
            };
            self.shared.monitor.down(&error);
            if let Some(first) = first.take() {
                let _ = first.send(Err(error));
            }
        }
    }

    /// `false`: the link was closed.
    async fn wait_for_demand(&self) -> bool {
        loop {
            if self.shared.take_signals().close {
                return false;
            }
            if self.shared.is_demanded() {
                return true;
            }
            self.shared.signalled.notified().await;
        }
    }

    /// Waits before the next attempt, shorter where somebody waits for it. `false`: closed.
    async fn pause(&self, delay: Duration) -> bool {
        let start = Instant::now();
        let mut end = start + delay;
        let transient = self
            .shared
            .monitor
            .last_error()
            .is_none_or(|error| error.kind().is_transient());
        loop {
            if self.shared.take_signals().close {
                return false;
            }
            if self.shared.is_wanted() {
                end = end.min(start + Backoff::demanded(delay, transient));
            }
            tokio::select! {
                () = sleep_until(end) => return true,
                () = self.shared.signalled.notified() => {}
            }
        }
    }

    /// Opens and sets up a connection.
    async fn connect(&mut self) -> Result<Live, NodeError> {
        let end = Instant::now() + self.shared.options.connect_timeout;
        let connecting = async {
            #[cfg(feature = "cluster")]
            if let super::Kind::Cluster(addresses) = &self.shared.dialer.endpoint.kind {
                return self.connect_cluster(addresses).await;
            }
            let wire = self.shared.dialer.dial().await?;
            self.multiplex(wire).await
        };
        match timeout_at(end, connecting).await {
            Ok(result) => result,
            Err(_) => Err(NodeError::new(
                NodeErrorKind::TimedOut,
                format!(
                    "no connection within {:?}",
                    self.shared.options.connect_timeout
                ),
            )),
        }
    }

    /// Puts the crate's connection on a fresh wire, and sets it up.
    async fn multiplex(&self, wire: Wire) -> Result<Live, NodeError> {
        let options = &self.shared.options;
        let resp3 = wire.session.resp3;
        let presence = Arc::new(Presence {
            listener: options.listener.clone(),
            present: AtomicBool::new(false),
        });
        // Signed in already; the crate must only know which version is spoken.
        let info = RedisConnectionInfo::default()
            .set_skip_set_lib_name()
            .set_db(self.shared.dialer.endpoint.database)
            .set_protocol(if resp3 {
                ProtocolVersion::RESP3
            } else {
                ProtocolVersion::RESP2
            });
        let mut config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        if resp3 {
            let presence = presence.clone();
            config = config.set_push_sender(move |push| {
                presence.pushed(push);
                Ok::<(), ()>(())
            });
        }
        let stream = Batched::new(wire.stream, self.shared.under_way.clone());
        let (connection, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(|error| crate_fault(&error))?;
        let mut live = Live {
            transport: Transport::Single(connection),
            driver: Some(Driver(tokio::spawn(driver))),
            presence,
        };
        self.set_up(&mut live, resp3).await?;
        Ok(live)
    }

    /// The crate's cluster connection, which knows the slots and has connections of its own.
    #[cfg(feature = "cluster")]
    async fn connect_cluster(&self, addresses: &[super::Address]) -> Result<Live, NodeError> {
        let transport = super::cluster::connect(&self.shared, addresses).await?;
        let mut live = Live {
            transport: Transport::Cluster(transport),
            driver: None,
            presence: Arc::new(Presence {
                listener: self.shared.options.listener.clone(),
                present: AtomicBool::new(false),
            }),
        };
        self.set_up(&mut live, false).await?;
        Ok(live)
    }

    async fn set_up(&self, live: &mut Live, resp3: bool) -> Result<(), NodeError> {
        let mut replies = Vec::new();
        for cmd in &self.shared.options.set_up {
            let reply = One(cmd).over(&mut live.transport).await;
            replies.push(reply.map_err(|error| crate_fault(&error))?);
        }
        live.presence.arrived(resp3, &replies);
        Ok(())
    }

    /// Lets the connection be used until it fails, and says how; `None`: the link was closed.
    async fn watch(&mut self, mut live: Live) -> Option<NodeError> {
        self.generation += 1;
        self.shared.monitor.up();
        self.shared
            .slot
            .send_replace(Slot::Up(live.transport.clone(), self.generation));
        let fault = self.guard(&mut live).await;
        // The listener before the users: none may trust what was pushed for a connection that is gone.
        live.presence.lost();
        self.shared.slot.send_replace(Slot::Down);
        drop(live);
        fault
    }

    async fn guard(&self, live: &mut Live) -> Option<NodeError> {
        let interval = self.shared.options.ping_interval;
        let mut next_ping = Instant::now() + interval;
        loop {
            let ended = async {
                match &mut live.driver {
                    Some(Driver(driver)) => drop(driver.await),
                    None => std::future::pending().await,
                }
            };
            let probe = tokio::select! {
                () = ended => {
                    return Some(NodeError::new(
                        NodeErrorKind::Unreachable,
                        "the connection broke",
                    ));
                }
                () = self.shared.signalled.notified() => {
                    let signals = self.shared.take_signals();
                    if signals.close {
                        return None;
                    }
                    if let Some((generation, error)) = signals.deposed
                        && generation == self.generation
                    {
                        return Some(error);
                    }
                    signals.suspect == Some(self.generation)
                }
                () = sleep_until(next_ping) => true,
            };
            if probe {
                if let Err(error) = self.probe(&mut live.transport).await {
                    return Some(error);
                }
                next_ping = Instant::now() + interval;
            }
        }
    }

    /// Asks whether the server is alive; any answer will do.
    async fn probe(&self, transport: &mut Transport) -> Result<(), NodeError> {
        let start = Instant::now();
        let patience = PROBE.min(self.shared.options.deadline);
        match timeout(patience, One(&redis::cmd("PING")).over(transport)).await {
            Ok(Ok(_)) => {
                self.shared.monitor.measured(start.elapsed());
                Ok(())
            }
            Ok(Err(error)) => Err(crate_fault(&error)),
            Err(_) => Err(NodeError::new(
                NodeErrorKind::TimedOut,
                format!("no answer, not even to PING, within {patience:?}"),
            )),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.slot.send_replace(Slot::Closed);
        self.shared.monitor.closed();
        self.ended.send_replace(());
    }
}
