//! A Redis server in memory: what `memory://` names, for tests and for programs that run alone.
//!
//! * [`clock`]: the server's `TIME`, on tokio's clock
//! * [`keyspace`], [`value`]: keys, expiry, tracking, and what they hold
//! * [`command`], [`glob`]: the Redis commands it understands
//! * [`channel`]: who listens to what
//! * [`link`]: one client's connection to it
//! * `fault`, `trip`, `rule`, `script` (feature `test-kit`): what may go wrong on the way, and how a
//!   test says so

mod channel;
mod clock;
mod command;
#[cfg(any(test, feature = "test-kit"))]
mod fault;
pub(crate) mod glob;
mod keyspace;
mod link;
#[cfg(any(test, feature = "test-kit"))]
mod rule;
#[cfg(any(test, feature = "test-kit"))]
mod script;
#[cfg(any(test, feature = "test-kit"))]
mod trip;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

pub(crate) use self::channel::{Message, Topic};
pub(crate) use self::clock::Micros;
pub(crate) use self::command::{Refusal, Reply, run};
use self::keyspace::ClientId;
pub(crate) use self::keyspace::{Keyspace, News};
pub(crate) use self::link::{Link, PushSink};
pub(crate) use self::value::{Bytes, Value};
#[cfg(any(test, feature = "test-kit"))]
pub use self::{
    fault::Delay,
    rule::Rule,
    script::{Memory, MemoryServer, Snapshot},
};
use crate::sync::lock;

/// The servers that have a name, for as long as somebody is connected.
static NAMED: OnceLock<Mutex<HashMap<Box<str>, Weak<Server>>>> = OnceLock::new();

/// One server: everybody who is connected to it sees the same keys.
pub(crate) struct Server {
    label: Box<str>,
    next_client: AtomicU64,
    state: Mutex<State>,
}

/// What the server's lock guards.
struct State {
    keyspace: Keyspace,
    sinks: HashMap<ClientId, Arc<dyn PushSink>>,
    clients: usize,
    #[cfg(any(test, feature = "test-kit"))]
    faults: fault::Faults,
}

impl Server {
    /// The server of that name, shared by the whole process; without a name, a new one.
    pub(crate) fn open(name: Option<&str>) -> Arc<Self> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Arc::new(Self::new("memory://".into()));
        };
        let mut named = lock(NAMED.get_or_init(Mutex::default));
        if let Some(server) = named.get(name).and_then(Weak::upgrade) {
            return server;
        }
        named.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Self::new(format!("memory://{name}").into()));
        named.insert(name.into(), Arc::downgrade(&server));
        server
    }

    fn new(label: Box<str>) -> Self {
        Self {
            label,
            next_client: AtomicU64::new(1),
            state: Mutex::new(State {
                keyspace: Keyspace::new(),
                sinks: HashMap::new(),
                clients: 0,
                #[cfg(any(test, feature = "test-kit"))]
                faults: fault::Faults::new(),
            }),
        }
    }

    /// The server's name as a URI.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Whether the server offers tracking.
    pub(crate) fn pushes(&self) -> bool {
        #[cfg(any(test, feature = "test-kit"))]
        if lock(&self.state).faults.script().pushes == fault::Pushes::Refused {
            return false;
        }
        true
    }

    /// Runs one command, alone, and then tells the other clients what it changed.
    fn run<R>(
        &self,
        mut state: MutexGuard<'_, State>,
        actor: Option<ClientId>,
        command: impl FnOnce(&mut Keyspace) -> R,
    ) -> R {
        state.keyspace.actor = actor;
        let result = command(&mut state.keyspace);
        self.deliver(state);
        result
    }

    /// Hands out the pushes that have come up, once the lock is released: a sink may well ask the
    /// server something.
    fn deliver(&self, mut state: MutexGuard<'_, State>) {
        let pushes = state.keyspace.take_pushes();
        if pushes.is_empty() {
            return;
        }
        let mut due = Vec::with_capacity(pushes.len());
        for push in pushes {
            let Some(sink) = state.sinks.get(&push.to).cloned() else {
                continue;
            };
            #[cfg(any(test, feature = "test-kit"))]
            let Some(sink) = state.faults.intercept(sink, &push.news) else {
                continue;
            };
            due.push((sink, push.news));
        }
        drop(state);
        for (sink, news) in due {
            sink.push(news);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.label).finish()
    }
}
