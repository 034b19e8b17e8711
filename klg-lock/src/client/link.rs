//! A connection that stays: made anew whenever it breaks, hangs, or leads to the wrong server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::dial::Dialer;
use super::endpoint::{Endpoint, Kind};
use super::fault::crate_fault;
#[cfg(feature = "cluster")]
use super::handshake::Mode;
use super::health::Health;
use super::options::LinkOptions;
use super::shared::{Counted, Shared};
use super::supervisor::Supervisor;
use super::transport::{Ask, Many, One};
use crate::error::{Error, NodeError, NodeErrorKind};

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
        let shared = Arc::new(Shared::new(endpoint, options));
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
        self.inner.shared.want();
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
