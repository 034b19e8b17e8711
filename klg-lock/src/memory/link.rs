//! One client's connection to a memory server: commands go in order, pushes come back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{ClientId, Keyspace, Server};
use crate::error::NodeError;
use crate::sync::lock;

/// Receives the pushes of one client.
///
/// Called in the thread whose command caused the push, with none of the server's locks held.
pub(crate) trait PushSink: Send + Sync {
    /// `key` was changed by another client; `None`: everything may have changed.
    fn push(&self, key: Option<&str>);
}

/// Where the answer to a command arrives.
pub(crate) type Answer<R> = oneshot::Receiver<Result<R, NodeError>>;

/// A connection; dropping it closes it.
pub(crate) struct Link {
    server: Arc<Server>,
    id: ClientId,
}

impl Link {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let id = ClientId(server.next_client.fetch_add(1, Ordering::Relaxed));
        Self { server, id }
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where pushes go from now on.
    pub(crate) fn listen(&self, sink: Arc<dyn PushSink>) {
        lock(&self.server.state).sinks.insert(self.id, sink);
    }

    /// Sends a command. The answer is there before this returns.
    pub(crate) fn send<R: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Keyspace) -> Result<R, NodeError> + Send + 'static,
    ) -> Answer<R> {
        let (answer, receiver) = oneshot::channel();
        let result = self.server.run(Some(self.id), command);
        // Nobody may be waiting any more; the command has run all the same.
        let _ = answer.send(result);
        receiver
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = lock(&self.server.state);
        if state.sinks.remove(&self.id).is_some() {
            state.keyspace.untrack(self.id);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} to {})", self.id.0, self.server.label())
    }
}
