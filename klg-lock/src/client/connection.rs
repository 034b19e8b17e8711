//! The escape hatch: a supervised connection in the form the `redis` crate's commands take.

use std::fmt;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use super::fault::to_crate_error;
use super::link::Link;
use super::transport::Ask;

/// A connection for every command this library has no method for.
///
/// It is the client's own supervised connection: cheap to clone, shared with the store, made anew
/// when it breaks. Use it with the `redis` crate, re-exported as `klg_lock::redis`:
///
/// ```ignore
/// let mut con = store.connection();
/// let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut con).await?;
/// ```
///
/// Keys sent over it carry no prefix. Commands that block, such as `BLPOP`, hold up everybody
/// else on the connection until it is taken for dead; open a client of its own for them. Nothing
/// that changes the connection itself (`SELECT`, `SUBSCRIBE`, `CLIENT TRACKING`) survives a
/// reconnect.
#[derive(Clone)]
pub struct Connection {
    link: Link,
    deadline: Duration,
}

impl Connection {
    pub(super) fn new(link: Link) -> Self {
        Self {
            deadline: link.deadline(),
            link,
        }
    }

    /// The same connection, whose commands may take this long.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut values = self
                .link
                .ask(&Ask::One(cmd), self.deadline)
                .await
                .map_err(to_crate_error)?;
            Ok(values.pop().unwrap_or(Value::Nil))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            self.link
                .ask(&Ask::Many(pipeline, offset, count), self.deadline)
                .await
                .map_err(to_crate_error)
        })
    }

    fn get_db(&self) -> i64 {
        self.link.database()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client", &self.link.name())
            .field("server", &self.link.server())
            .finish()
    }
}
