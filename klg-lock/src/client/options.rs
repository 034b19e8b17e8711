//! How a link is made, and who hears of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, PushInfo, Value};

use super::handshake::Mode;

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

impl fmt::Debug for LinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkOptions")
            .field("name", &self.name)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
