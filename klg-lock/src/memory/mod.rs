//! A Redis server in memory: what `memory://` names, for tests and for programs that run alone.
//!
//! * [`clock`]: the server's `TIME`, on tokio's clock
//! * [`keyspace`]: keys, expiry, tracking
//! * [`link`]: one client's connection to it

mod clock;
mod keyspace;
mod link;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, Weak};

pub(crate) use self::clock::Micros;
use self::keyspace::ClientId;
pub(crate) use self::keyspace::{Keyspace, Value};
pub(crate) use self::link::{Link, PushSink};
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
            }),
        }
    }

    /// The server's name as a URI.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Runs one command, alone, and then tells the other clients what it changed.
    fn run<R>(&self, actor: Option<ClientId>, command: impl FnOnce(&mut Keyspace) -> R) -> R {
        let mut state = lock(&self.state);
        state.keyspace.actor = actor;
        let result = command(&mut state.keyspace);
        let pushes = state.keyspace.take_pushes();
        if pushes.is_empty() {
            return result;
        }
        let due: Vec<_> = pushes
            .into_iter()
            .filter_map(|push| Some((state.sinks.get(&push.to)?.clone(), push.key)))
            .collect();
        // Released first: a sink may well ask the server something.
        drop(state);
        for (sink, key) in due {
            sink.push(key.as_deref());
        }
        result
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.label).finish()
    }
}
