//! A connection that stays: made anew whenever it breaks, hangs, or leads to the wrong server.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::{Cmd, Pipeline, PushInfo, Value};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::dial::Dialer;
use super::endpoint::{Endpoint, Kind};
use super::fault::{Refusal, crate_fault, server_fault};
use super::handshake::Mode;
use super::health::{Health, Monitor};
use super::supervisor::Supervisor;
use super::transport::{Ask, Many, One, Transport};
use crate::error::{Error, NodeError, NodeErrorKind};
use crate::sync::lock;

/// How a link is made, and what it does each time it is made anew.
#[derive(Clone)]
pub(crate) struct LinkOptions {
    /// The client's name in errors, logs and `CLIENT LIST`.
    pub(crate) name: Box<str>,
    /// How long an operation may take that does not say so itself, waiting for a connection included.
    pub(crate) deadline: Duration,
    /// The bound on resolving, connecting, signing in and setting up, each time.
    pub(crate) connect_timeout: Duration,
    /// How often the connection is asked whether it is alive, and how long a round trip takes.
    pub(crate) ping_interval: Duration,
    /// A server that is away at start is an error.
    pub(crate) require_connection: bool,
    /// Connect at the first use.
    pub(crate) lazy: bool,
    /// What kind of server it is meant to be; one master of a cluster has a link of its own.
    pub(crate) mode: Mode,
    /// Sent over each new connection before anything else; an error the server answers is told to
    /// the listener, and is no reason to give the connection up.
    pub(crate) set_up: Vec<Cmd>,
    /// Who hears pushes, and of connections that come and go. With one, RESP3 is worth having.
    pub(crate) listener: Option<Arc<dyn Listener>>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self {
            name: "default".into(),
            deadline: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_secs(10),
            require_connection: false,
            lazy: false,
            mode: Mode::Standalone,
            set_up: Vec::new(),
            listener: None,
        }
    }
}

/// Whoever wants a connection's pushes. No method may block: they run where replies are read.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Called before the first operation goes over a new connection. `resp3`: it can push.
    /// `replies`: what was answered to each command of [`LinkOptions::set_up`].
    fn connected(&self, resp3: bool, replies: &[Value]);

    /// The server pushed something.
    fn pushed(&self, push: PushInfo);

    /// The connection is gone, and with it any push that was under way. Called once for each
    /// [`connected`](Self::connected), before any operation sees the loss.
    fn disconnected(&self);
}

/// A supervised connection, shared by its clones. The last one to go closes it.
#[derive(Clone)]
pub(crate) struct Link {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    task: AbortHandle,
    ended: watch::Receiver<()>,
}

/// What the link's users and its supervisor share.
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) options: LinkOptions,
    pub(super) monitor: Monitor,
    pub(super) slot: watch::Sender<Slot>,
    signals: Mutex<Signals>,
    /// How many operations wait for a connection.
    waiting: AtomicUsize,
    /// How many operations have been handed to a connection, and not answered.
    pub(super) under_way: Arc<AtomicUsize>,
    /// A lazy link was told to connect.
    wanted: AtomicBool,
    pub(super) signalled: Notify,
}

/// The connection there is.
#[derive(Clone)]
pub(super) enum Slot {
    Down,
    Up(Transport, Generation),
    Closed,
}

/// Counts the connections of one link, so that an error of an old one is not held against the next.
pub(super) type Generation = u64;

/// What users have to say to the supervisor.
#[derive(Default)]
pub(super) struct Signals {
    /// An operation was not answered in time.
    pub(super) suspect: Option<Generation>,
    /// The server says that it is master no longer.
    pub(super) deposed: Option<(Generation, NodeError)>,
    pub(super) close: bool,
}

impl Link {
    /// Opens a link.
    ///
    /// Unless [`require_connection`](LinkOptions::require_connection) is set, a server that is
    /// merely away gives a link that goes on trying.
    ///
    /// # Errors
    ///
    /// [`Error::Redis`] for what waiting does not mend, such as wrong credentials;
    /// [`Error::Config`] for an endpoint that is no server, such as `memory://`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub(crate) async fn open(endpoint: &Endpoint, options: LinkOptions) -> Result<Self, Error> {
        if matches!(endpoint.kind, Kind::Memory(_)) {
            return Err(Error::config(format!(
                "{endpoint} is in this process, there is no connection to it"
            )));
        }
        let shared = Arc::new(Shared {
            dialer: Dialer {
                endpoint: endpoint.clone(),
                name: format!("klg-lock:{}", options.name).into(),
                timeout: options.connect_timeout,
                master: false,
                mode: options.mode,
                identify: false,
            },
            monitor: Monitor::new(&options.name, endpoint.label()),
            slot: watch::Sender::new(Slot::Down),
            signals: Mutex::default(),
            waiting: AtomicUsize::new(0),
            under_way: Arc::default(),
            wanted: AtomicBool::new(false),
            signalled: Notify::new(),
            options,
        });
        let (first, connected) = oneshot::channel();
        let (ended_sender, ended) = watch::channel(());
        let supervisor = Supervisor::new(shared.clone(), ended_sender);
        let task = tokio::spawn(supervisor.run(first)).abort_handle();
        let link = Self {
            inner: Arc::new(Inner {
                shared,
                task,
                ended,
            }),
        };
        let options = &link.inner.shared.options;
        if options.lazy {
            return Ok(link);
        }
        if let Ok(Err(error)) = connected.await {
            if !error.kind().is_transient() || options.require_connection {
                return Err(link.error(error));
            }
            tracing::warn!(client = %options.name, server = %endpoint, %error, "Redis is away, the client goes on trying");
        }
        Ok(link)
    }

    /// A link to one master of the cluster that this link leads to; it must be there.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    #[cfg(feature = "cluster")]
    pub(super) async fn shard(&self, address: &super::Address) -> Result<Self, Error> {
        let options = LinkOptions {
            require_connection: true,
            lazy: false,
            mode: Mode::Cluster,
            set_up: Vec::new(),
            listener: None,
            ..self.inner.shared.options.clone()
        };
        Self::open(&self.dialer().endpoint.at(address.clone()), options).await
    }

    /// Connects a lazy link to which nobody sends anything.
    pub(crate) fn want(&self) {
        if !self.inner.shared.wanted.swap(true, Ordering::AcqRel) {
            self.inner.shared.signalled.notify_one();
        }
    }

    /// The client's name.
    pub(crate) fn name(&self) -> &str {
        &self.inner.shared.options.name
    }

    /// The server, without credentials.
    pub(crate) fn server(&self) -> &str {
        self.inner.shared.dialer.endpoint.label()
    }

    pub(crate) fn health(&self) -> Health {
        self.inner.shared.monitor.health()
    }

    /// An error with the names of client and server.
    pub(crate) fn error(&self, error: NodeError) -> Error {
        Error::Redis {
            client: self.name().into(),
            server: self.server().into(),
            error,
        }
    }

    /// Sends one command, within the link's own deadline.
    ///
    /// # Errors
    ///
    /// What the server answered, or that it did not. [`refusal_code`](super::refusal_code) tells
    /// the code of an answer, such as `WRONGTYPE`. A command that was sent when the connection broke
    /// is not repeated: it may have been carried out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take back a command that was sent.
    pub(crate) async fn query(&self, cmd: &Cmd) -> Result<Value, NodeError> {
        self.query_within(cmd, self.inner.shared.options.deadline)
            .await
    }

    /// Sends one command, and gives up after `deadline`.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub(crate) async fn query_within(
        &self,
        cmd: &Cmd,
        deadline: Duration,
    ) -> Result<Value, NodeError> {
        match self.ask(&One(cmd), deadline).await? {
            Value::ServerError(error) => Err(crate_fault(&error.into())),
            value => Ok(value),
        }
    }

    /// An answer, an error the server answered being one.
    pub(crate) fn checked(value: Value) -> Result<Value, NodeError> {
        match value {
            Value::ServerError(error) => Err(crate_fault(&error.into())),
            value => Ok(value),
        }
    }

    /// Sends commands in one write; errors the server answers to single ones stay in the list.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub(crate) async fn pipeline(
        &self,
        pipeline: &Pipeline,
        deadline: Duration,
    ) -> Result<Vec<Value>, NodeError> {
        let ask = if pipeline.is_transaction() {
            Many(pipeline, pipeline.len() + 1, 1)
        } else {
            Many(pipeline, 0, pipeline.len())
        };
        self.ask(&ask, deadline).await
    }

    /// The deadline of operations that do not name one.
    pub(crate) fn deadline(&self) -> Duration {
        self.inner.shared.options.deadline
    }

    /// How this link's connections are opened.
    pub(super) fn dialer(&self) -> &Dialer {
        &self.inner.shared.dialer
    }

    pub(crate) fn database(&self) -> i64 {
        self.inner.shared.dialer.endpoint.database
    }

    /// Closes the connection. Operations under way fail; those that come later do so at once.
    ///
    /// # Cancel safety
    ///
    /// The link is closed even if this future is dropped after its first poll.
    pub(crate) async fn close(&self) {
        self.inner.shared.signal(|signals| signals.close = true);
        let mut ended = self.inner.ended.clone();
        // The supervisor's own end of the channel goes with it.
        while ended.changed().await.is_ok() {}
    }

    pub(super) async fn ask<A: Ask>(
        &self,
        ask: &A,
        deadline: Duration,
    ) -> Result<A::Reply, NodeError> {
        let shared = &*self.inner.shared;
        let end = Instant::now() + deadline;
        let (mut transport, generation) = match shared.current() {
            Some(live) => live?,
            None => shared.wait(end, deadline).await?,
        };
        let _under_way = Counted::one_more(&shared.under_way);
        match timeout_at(end, ask.over(&mut transport)).await {
            Ok(Ok(reply)) => {
                for error in A::refusals(&reply) {
                    shared.heed(generation, error.code(), error.details());
                }
                Ok(reply)
            }
            Ok(Err(error)) => {
                shared.heed(generation, error.code().unwrap_or_default(), error.detail());
                Err(crate_fault(&error))
            }
            Err(_) => {
                shared.signal(|signals| signals.suspect = Some(generation));
                Err(NodeError::new(
                    NodeErrorKind::TimedOut,
                    format!("no answer within {deadline:?}"),
                ))
            }
        }
    }
}

/// One operation more, for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Whether a lazy link is to connect.
    pub(super) fn is_demanded(&self) -> bool {
        self.is_wanted() || self.wanted.load(Ordering::Acquire)
    }

    /// Whether an operation waits for a connection.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// The connection, or that there will be none; `None`: there is none now.
    fn current(&self) -> Option<Result<(Transport, Generation), NodeError>> {
        match &*self.slot.borrow() {
            Slot::Up(transport, generation) => Some(Ok((transport.clone(), *generation))),
            Slot::Closed => Some(Err(closed())),
            Slot::Down => None,
        }
    }

    async fn wait(
        &self,
        end: Instant,
        deadline: Duration,
    ) -> Result<(Transport, Generation), NodeError> {
        let _waiting = Counted::one_more(&self.waiting);
        self.signalled.notify_one();
        let mut slot = self.slot.subscribe();
        let arrival = slot.wait_for(|slot| !matches!(slot, Slot::Down));
        match timeout_at(end, arrival).await {
            Ok(Ok(slot)) => match &*slot {
                Slot::Up(transport, generation) => Ok((transport.clone(), *generation)),
                Slot::Down | Slot::Closed => Err(closed()),
            },
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(match self.monitor.last_error() {
                Some(error) => NodeError::new(
                    error.kind(),
                    format!("no connection within {deadline:?}: {error}"),
                )
                .with_source(error),
                None => NodeError::new(
                    NodeErrorKind::Unreachable,
                    format!("no connection within {deadline:?}"),
                ),
            }),
        }
    }

    /// Acts on what an answer says of the server itself.
    fn heed(&self, generation: Generation, code: &str, detail: Option<&str>) {
        let refusal = Refusal {
            code,
            detail: detail.unwrap_or_default(),
        };
        if refusal.is_deposed() {
            let error = server_fault(refusal);
            self.signal(|signals| signals.deposed = Some((generation, error)));
        }
    }

    pub(super) fn signal(&self, say: impl FnOnce(&mut Signals)) {
        say(&mut lock(&self.signals));
        self.signalled.notify_one();
    }

    pub(super) fn take_signals(&self) -> Signals {
        let mut signals = lock(&self.signals);
        // Closing is for good.
        let close = signals.close;
        std::mem::replace(
            &mut *signals,
            Signals {
                close,
                ..Signals::default()
            },
        )
    }
}

fn closed() -> NodeError {
    NodeError::new(NodeErrorKind::Closed, "the connection has been closed")
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("name", &self.name())
            .field("health", &self.health())
            .finish()
    }
}

impl fmt::Debug for LinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkOptions")
            .field("name", &self.name)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
