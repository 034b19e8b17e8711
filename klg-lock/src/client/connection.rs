//! The escape hatch: a supervised connection in the form the `redis` crate's commands take.

use std::fmt;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use super::backend::Backend;
use super::fault::to_crate_error;
use super::link::Link;
use super::transport::{Ask, Many, One};

/// A connection for every command this library has no method for.
///
/// It is the client's own supervised connection: cheap to clone, shared with the store, made anew
/// when it breaks. Use it with the `redis` crate, re-exported as `klg_lock::redis`:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::redis;
///
/// # let store = klg_lock::Store::connect(&klg_lock::ClientConfig::default().uri("memory://")).await?;
/// let mut con = store.connection();
/// let time: (u64, u64) = redis::cmd("TIME").query_async(&mut con).await?;
/// # Ok(()) }
/// ```
///
/// Keys sent over it carry no prefix. Commands that block, such as `BLPOP`, hold up everybody
/// else on the connection until it is taken for dead; open a client of its own for them. Nothing
/// that changes the connection itself (`SELECT`, `SUBSCRIBE`, `CLIENT TRACKING`) survives a
/// reconnect.
#[derive(Clone)]
pub struct Connection {
    backend: Backend,
    /// Of operations on a link; `None`: the link's own.
    deadline: Option<Duration>,
}

impl Connection {
    pub(super) fn new(backend: Backend) -> Self {
        Self {
            backend,
            deadline: None,
        }
    }

    /// The same connection, whose commands may take this long.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn ask<A: Ask>(&self, link: &Link, ask: A) -> RedisResult<A::Reply> {
        let deadline = self.deadline.unwrap_or_else(|| link.deadline());
        link.ask(&ask, deadline).await.map_err(to_crate_error)
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match &self.backend {
                Backend::Link(link) => self.ask(link, One(cmd)).await,
                Backend::Memory(memory) => memory.query(cmd).await.map_err(to_crate_error),
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            match &self.backend {
                Backend::Link(link) => self.ask(link, Many(pipeline, offset, count)).await,
                Backend::Memory(memory) => memory.pipeline(pipeline).await.map_err(to_crate_error),
            }
        })
    }

    fn get_db(&self) -> i64 {
        match &self.backend {
            Backend::Link(link) => link.database(),
            Backend::Memory(_) => 0,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client", &self.backend.name())
            .field("server", &self.backend.server())
            .finish()
    }
}
