//! A node that is opened by its first request: a client nobody locks with costs no connection.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::{Node, NodeOptions, Reply, Request, Vote, WakeSink, open};
use crate::client::{Endpoint, Kind};
use crate::error::{Error, NodeError, NodeErrorKind};
use crate::sync::lock;

/// Opens the node behind an endpoint when it is first asked something.
pub(crate) struct LazyNode {
    shared: Arc<Shared>,
}

struct Shared {
    endpoint: Endpoint,
    options: NodeOptions,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    sink: Option<(usize, Weak<dyn WakeSink>)>,
}

enum Phase {
    Idle,
    Opening(Vec<Waiting>),
    Open(Arc<dyn Node>),
    Closed,
}

type Waiting = (Request, oneshot::Sender<Result<Vote, NodeError>>);

impl LazyNode {
    pub(crate) fn boxed(endpoint: Endpoint, options: NodeOptions) -> Arc<dyn Node> {
        let state = State {
            phase: Phase::Idle,
            sink: None,
        };
        let shared = Shared {
            endpoint,
            options,
            state: Mutex::new(state),
        };
        Arc::new(Self {
            shared: Arc::new(shared),
        })
    }
}

impl Node for LazyNode {
    fn label(&self) -> &str {
        self.shared.endpoint.label()
    }

    fn submit(&self, request: Request) -> Reply {
        let mut state = lock(&self.shared.state);
        let (answer, reply) = oneshot::channel();
        match &mut state.phase {
            Phase::Open(node) => return node.submit(request),
            Phase::Opening(waiting) => waiting.push((request, answer)),
            Phase::Closed => refuse(answer, "the client has been closed"),
            // A release from outside a runtime: nothing was ever sent that it could release.
            Phase::Idle => match Handle::try_current() {
                Err(_) => refuse(answer, "the node was never asked anything"),
                Ok(runtime) => {
                    state.phase = Phase::Opening(vec![(request, answer)]);
                    drop(runtime.spawn(Arc::clone(&self.shared).open()));
                }
            },
        }
        reply
    }

    fn pushes(&self) -> bool {
        match &lock(&self.shared.state).phase {
            Phase::Open(node) => node.pushes(),
            _ => false,
        }
    }

    fn single_slot(&self) -> bool {
        matches!(self.shared.endpoint.kind, Kind::Cluster(_))
    }

    fn attach(&self, index: usize, sink: Weak<dyn WakeSink>) {
        lock(&self.shared.state).sink = Some((index, sink));
    }

    fn close(&self, bound: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match std::mem::replace(&mut lock(&self.shared.state).phase, Phase::Closed) {
            Phase::Open(node) => node.close(bound),
            Phase::Opening(waiting) => {
                for (_, answer) in waiting {
                    refuse(answer, "the client was closed before it was connected");
                }
                Box::pin(std::future::ready(()))
            }
            Phase::Idle | Phase::Closed => Box::pin(std::future::ready(())),
        }
    }
}

impl Shared {
    async fn open(self: Arc<Self>) {
        let opened = open(&self.endpoint, &self.options).await;
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Opening(_)) {
            return;
        }
        let (waiting, node) = match opened {
            Ok(node) => {
                if let Some((index, sink)) = state.sink.clone() {
                    node.attach(index, sink);
                }
                let phase = std::mem::replace(&mut state.phase, Phase::Open(Arc::clone(&node)));
                (phase, Ok(node))
            }
            // The next request tries again.
            Err(error) => (
                std::mem::replace(&mut state.phase, Phase::Idle),
                Err(fault(error)),
            ),
        };
        let Phase::Opening(waiting) = waiting else {
            return;
        };
        // Under the lock, so that no later request overtakes them.
        for (request, answer) in waiting {
            match &node {
                Ok(node) => {
                    let reply = node.submit(request);
                    let forward =
                        async move { answer.send(reply.await.unwrap_or_else(|_| Err(closed()))) };
                    drop(tokio::spawn(forward));
                }
                // Whoever asked may be gone.
                Err(error) => drop(answer.send(Err(error.clone()))),
            }
        }
    }
}

fn fault(error: Error) -> NodeError {
    match error {
        Error::Redis { error, .. } => error,
        other => NodeError::new(NodeErrorKind::Protocol, other.to_string()),
    }
}

fn closed() -> NodeError {
    NodeError::new(
        NodeErrorKind::Closed,
        "the client was closed before it answered",
    )
}

fn refuse(answer: oneshot::Sender<Result<Vote, NodeError>>, why: &str) {
    // Whoever asked may be gone.
    let _ = answer.send(Err(NodeError::new(NodeErrorKind::Closed, why)));
}

impl fmt::Debug for LazyNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LazyNode").field(&self.label()).finish()
    }
}
