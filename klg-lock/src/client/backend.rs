//! A client's server: behind a supervised link, or in this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Arg, Cmd, Pipeline, RedisError, ServerError, Value, make_extension_error};

use super::connection::Connection;
use super::endpoint::{Endpoint, Kind};
use super::fault::crate_fault;
use super::health::{Health, HealthState};
use super::link::Link;
use super::options::LinkOptions;
use crate::error::{Error, NodeError, NodeErrorKind};
use crate::memory::{self, Bytes, Refusal, Reply, Server};

/// Where a client's commands are carried out.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Link(Link),
    Memory(MemoryClient),
}

/// A client of a server in this process.
#[derive(Clone, Debug)]
pub(crate) struct MemoryClient {
    name: Arc<str>,
    link: Arc<memory::Link>,
    opened: Instant,
}

impl Backend {
    /// Connects a client, unless it is to do so at its first use.
    ///
    /// # Errors
    /// As [`Link::open`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub(crate) async fn open(endpoint: &Endpoint, options: LinkOptions) -> Result<Self, Error> {
        if let Kind::Memory(server) = &endpoint.kind {
            let server = Server::open(server.as_deref());
            return Ok(Self::memory(&options.name, server));
        }
        Link::open(endpoint, options).await.map(Self::Link)
    }

    /// A client of a memory server; a private one (`memory://`) is opened once and handed to all
    /// that are to share it.
    pub(crate) fn memory(name: &str, server: Arc<Server>) -> Self {
        Self::Memory(MemoryClient {
            name: name.into(),
            link: Arc::new(memory::Link::new(server)),
            opened: Instant::now(),
        })
    }

    /// The client's name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Link(link) => link.name(),
            Self::Memory(memory) => &memory.name,
        }
    }

    /// The server, without credentials.
    pub(crate) fn server(&self) -> &str {
        match self {
            Self::Link(link) => link.server(),
            Self::Memory(memory) => memory.link.server().label(),
        }
    }

    /// An error with the names of client and server.
    pub(crate) fn error(&self, error: NodeError) -> Error {
        Error::Redis {
            client: self.name().into(),
            server: self.server().into(),
            error,
        }
    }

    /// How the client is doing. A server in this process is always up.
    pub(crate) fn health(&self) -> Health {
        match self {
            Self::Link(link) => link.health(),
            Self::Memory(memory) => Health {
                server: memory.link.server().label().into(),
                state: HealthState::Up,
                since: memory.opened,
                last_error: None,
                round_trip: Some(Duration::ZERO),
                reconnects: 0,
            },
        }
    }

    /// Whether the keys are spread over several servers.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_cluster(&self) -> bool {
        match self {
            Self::Link(link) => matches!(link.dialer().endpoint.kind, Kind::Cluster(_)),
            Self::Memory(_) => false,
        }
    }

    /// Sends one command; see [`Link::query`].
    pub(crate) async fn query(&self, cmd: &Cmd) -> Result<Value, NodeError> {
        match self {
            Self::Link(link) => link.query(cmd).await,
            Self::Memory(memory) => memory.query(cmd).await,
        }
    }

    /// Sends commands in one write; errors the server answers to single ones stay in the list. A
    /// transaction's answers are the only item of the list.
    pub(crate) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>, NodeError> {
        match self {
            Self::Link(link) => link.pipeline(pipeline, link.deadline()).await,
            Self::Memory(memory) => memory.pipeline(pipeline).await,
        }
    }

    /// As the `redis` crate's commands take it.
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(self.clone())
    }

    /// Closes the connection for all who share it.
    pub(crate) async fn close(&self) {
        match self {
            Self::Link(link) => link.close().await,
            Self::Memory(_) => {}
        }
    }
}

impl MemoryClient {
    pub(crate) fn server(&self) -> &Arc<Server> {
        self.link.server()
    }

    pub(super) async fn query(&self, cmd: &Cmd) -> Result<Value, NodeError> {
        let words = words(cmd);
        let answer = self
            .link
            .send(None, move |keyspace| Ok(memory::run(keyspace, &words)));
        match answer.await {
            Ok(Ok(Ok(reply))) => Ok(value(reply)),
            Ok(Ok(Err(refusal))) => Err(crate_fault(&crate_error(refusal))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(gone()),
        }
    }

    pub(super) async fn pipeline(&self, pipeline: &Pipeline) -> Result<Vec<Value>, NodeError> {
        let commands: Vec<_> = pipeline.cmd_iter().map(words).collect();
        let answer = self.link.send(None, move |keyspace| {
            let outcomes = commands.iter().map(|words| memory::run(keyspace, words));
            Ok(outcomes.collect::<Vec<_>>())
        });
        let outcomes = answer.await.unwrap_or_else(|_| Err(gone()))?;
        let values = outcomes.into_iter().map(|outcome| match outcome {
            Ok(reply) => value(reply),
            Err(refusal) => server_error(refusal).map_or(Value::Nil, Value::ServerError),
        });
        let values = values.collect();
        Ok(if pipeline.is_transaction() {
            vec![Value::Array(values)]
        } else {
            values
        })
    }
}

fn words(cmd: &Cmd) -> Vec<Bytes> {
    let word = |arg| match arg {
        Arg::Simple(bytes) => Bytes::from(bytes),
        // The crate's own iterators begin at the first page.
        _ => b"0".to_vec(),
    };
    cmd.args_iter().map(word).collect()
}

fn value(reply: Reply) -> Value {
    match reply {
        Reply::Nil => Value::Nil,
        Reply::Ok => Value::Okay,
        Reply::Int(number) => Value::Int(number),
        Reply::Double(number) => Value::Double(number),
        Reply::Bytes(bytes) => Value::BulkString(bytes),
        Reply::List(items) => Value::Array(items.into_iter().map(value).collect()),
    }
}

fn crate_error(refusal: Refusal) -> RedisError {
    make_extension_error(refusal.code.to_owned(), Some(refusal.text.into_owned()))
}

fn server_error(refusal: Refusal) -> Option<ServerError> {
    let errors = crate_error(refusal).into_server_errors()?;
    errors.first().map(|(_, error)| error.clone())
}

fn gone() -> NodeError {
    NodeError::new(
        NodeErrorKind::Unreachable,
        "the runtime that carried the command has been shut down",
    )
}
