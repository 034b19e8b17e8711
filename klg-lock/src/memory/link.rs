//! One client's connection to a memory server: commands go in order, pushes come back.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{ClientId, Keyspace, News, Server, Topic};
use crate::error::NodeError;
use crate::sync::lock;

/// Receives the pushes of one client.
///
/// Called in the thread whose command caused the push, with none of the server's locks held.
pub(crate) trait PushSink: Send + Sync {
    fn push(&self, news: News);

    /// The connection broke; nothing comes until the news that everything may have changed.
    #[cfg_attr(
        not(any(test, feature = "test-kit")),
        expect(
            dead_code,
            reason = "only scripted faults break a connection to memory"
        )
    )]
    fn disconnected(&self) {}
}

/// Where the answer to a command arrives.
pub(crate) type Answer<R> = oneshot::Receiver<Result<R, NodeError>>;

/// A connection; dropping it closes it.
pub(crate) struct Link {
    server: Arc<Server>,
    id: ClientId,
    #[cfg(any(test, feature = "test-kit"))]
    backlog: Arc<super::trip::Backlog>,
}

impl Link {
    pub(crate) fn new(server: Arc<Server>) -> Self {
        let id = ClientId(server.next_client.fetch_add(1, Ordering::Relaxed));
        lock(&server.state).clients += 1;
        Self {
            server,
            id,
            #[cfg(any(test, feature = "test-kit"))]
            backlog: Arc::default(),
        }
    }

    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where messages of these channels go from now on.
    pub(crate) fn subscribe(&self, topics: Vec<Topic>, sink: Arc<dyn PushSink>) {
        let mut state = lock(&self.server.state);
        state.sinks.insert(self.id, sink);
        state.keyspace.channels.subscribe(self.id, topics);
    }

    /// Where pushes go from now on: changes by others of what this client has read.
    pub(crate) fn listen(&self, sink: Arc<dyn PushSink>) {
        let mut state = lock(&self.server.state);
        state.sinks.insert(self.id, sink);
        state.keyspace.listen(self.id);
    }

    /// Sends a command. The answer is there before this returns, unless a fault is scripted.
    ///
    /// `keep_trying`: for how long a command that failed is sent again, until it is answered.
    pub(crate) fn send<R: Send + 'static>(
        &self,
        #[cfg_attr(not(any(test, feature = "test-kit")), expect(unused_variables))]
        keep_trying: Option<Duration>,
        command: impl Fn(&mut Keyspace) -> Result<R, NodeError> + Send + Sync + 'static,
    ) -> Answer<R> {
        let state = lock(&self.server.state);
        #[cfg(any(test, feature = "test-kit"))]
        if !state.faults.idle() {
            drop(state);
            let command = Arc::new(command);
            return super::trip::send(&self.server, self.id, &self.backlog, keep_trying, command);
        }
        let (answer, receiver) = oneshot::channel();
        let result = self.server.run(state, Some(self.id), command);
        // Nobody may be waiting any more; the command has run all the same.
        let _ = answer.send(result);
        receiver
    }

    /// Resolves when every command that is to be kept trying has been answered, or given up after
    /// `bound`.
    pub(crate) fn drain(&self, bound: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        #[cfg(any(test, feature = "test-kit"))]
        if !self.backlog.is_empty() {
            return Box::pin(self.backlog.clone().drain(bound));
        }
        // Without faults every command has been answered when it was sent.
        let _ = bound;
        Box::pin(std::future::ready(()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut state = lock(&self.server.state);
        state.clients -= 1;
        state.sinks.remove(&self.id);
        state.keyspace.untrack(self.id);
        state.keyspace.channels.forget(self.id);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} to {})", self.id.0, self.server.label())
    }
}
