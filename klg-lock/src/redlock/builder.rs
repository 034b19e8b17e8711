//! An engine of one's own, without the registry.

use std::sync::Arc;
use std::time::Duration;

use super::Redlock;
use super::clock::{BootClock, Clock, TokioClock};
use super::core::Core;
use super::keeper::Keeper;
use super::resources::Naming;
use super::retry::Retry;
use super::settings::{Kind, Settings};
use crate::client::Endpoint;
use crate::config::{ClientConfig, Config, RedisConfig, RedlockConfig, Uri};
use crate::error::Error;
use crate::node::{self, LazyNode, NodeOptions};

/// Builds an engine that belongs to no registry; made by [`Redlock::builder`].
///
/// # Default
/// As in [`Config`]: one node, `redis://localhost:6379`; prefix `redis_`, namespace `lock:`, TTL
/// 60 s, drift factor 0.01, auto-extension on; and the mutex kind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::{Redlock, Retry};
/// use std::time::Duration;
///
/// let redlock = Redlock::builder()
///     .nodes(["memory://a", "memory://b", "memory://c"]) // redis://.. where it matters
///     .prefix("app_")
///     .ttl(Duration::from_secs(30))
///     .buffer(Retry::default().wait(Duration::from_secs(5)))
///     .connect()
///     .await?;
/// let lock = redlock.lock("key1").acquire().await?;
/// lock.release().await?;
/// redlock.shutdown().await;
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing until `connect` is called"]
#[derive(Clone, Debug)]
pub struct RedlockBuilder {
    config: Config,
    kind: Kind,
    /// Nodes were named one by one, but there were none of them.
    none_named: bool,
}

impl Default for RedlockBuilder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            kind: Kind::Mutex,
            none_named: false,
        }
    }
}

impl RedlockBuilder {
    /// Takes over the sections `redis` (the default client) and `redlock` of a configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self.none_named = false;
        self
    }

    /// The independent masters that vote, by URI. One is fine; more should be an odd number; none
    /// at all is refused by [`connect`](Self::connect).
    pub fn nodes<U: Into<Uri>>(mut self, nodes: impl IntoIterator<Item = U>) -> Self {
        self.config = self.config.nodes(nodes);
        self.none_named = self.config.redlock.nodes.is_empty();
        self
    }

    /// What every key begins with. No braces, except for one complete hash tag.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.config = self.config.prefix(prefix);
        self
    }

    /// What stands between the prefix and the resource in a lock's key. No braces.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.set(|redlock| redlock.namespace = namespace.into())
    }

    /// How long nodes keep a lock without an extension; 5 ms to 24 days.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set(|redlock| redlock.ttl = ttl)
    }

    /// By how much clocks may drift apart, as a share of the TTL; 0 to below 1.
    pub fn drift_factor(self, drift_factor: f64) -> Self {
        self.set(|redlock| redlock.drift_factor = drift_factor)
    }

    /// Whether locks are extended in the background while they are held.
    pub fn auto_extend(self, auto_extend: bool) -> Self {
        self.set(|redlock| redlock.auto_extend = auto_extend)
    }

    /// Ends every lock after this long, whatever its holder does; at least 5 ms.
    pub fn max_hold(self, max_hold: Duration) -> Self {
        self.set(|redlock| redlock.max_hold = Some(max_hold))
    }

    /// How long one node has to answer one request before it counts as failed.
    pub fn node_timeout(self, timeout: Duration) -> Self {
        self.set(|redlock| redlock.node_timeout = timeout)
    }

    /// How often in a row, and for how long, a lock may go from holder to holder inside this
    /// process before it is really released; 0 releases each time.
    pub fn handover(self, times: u32, time: Duration) -> Self {
        self.set(|redlock| {
            redlock.handover = times;
            redlock.handover_time = time;
        })
    }

    /// What contenders and `inspect` are told the holder is, beside host and process id.
    pub fn service(self, service: impl Into<String>) -> Self {
        self.set(|redlock| redlock.service = Some(service.into()))
    }

    /// Whether `using` returns before the nodes have confirmed the release.
    pub fn deferred_release(self, deferred: bool) -> Self {
        self.set(|redlock| redlock.deferred_release = deferred)
    }

    /// Locks fail at once when the resource is held, unless the request says how long to wait.
    pub fn mutex(mut self) -> Self {
        self.kind = Kind::Mutex;
        self
    }

    /// Locks wait their turn.
    pub fn buffer(mut self, retry: Retry) -> Self {
        self.kind = Kind::Buffer;
        self.set(|redlock| redlock.buffer = retry.into())
    }

    fn set(mut self, change: impl FnOnce(&mut RedlockConfig)) -> Self {
        change(&mut self.config.redlock);
        self
    }

    /// Checks the settings and connects. Has to be called inside a tokio runtime, in which the
    /// engine's tasks then run.
    ///
    /// A server that is away does not fail this: locks report it until it is back.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work; [`Error::Redis`] for servers that will
    /// never serve, such as one that refuses the password.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(self) -> Result<Redlock, Error> {
        let Self {
            config,
            kind,
            none_named,
        } = self;
        // In a configuration an empty list means the default client's server; a list that was built
        // and came out empty is a mistake, which must not lead to some other server.
        if none_named {
            return Err(Error::config(
                "no Redlock node is named; give at least one, such as \"redis://localhost:6379\", or leave `nodes` out to use the default client's server",
            ));
        }
        config.check()?;
        let client = config.redis.default_client();
        let uris = node_uris(&config.redlock, &client);
        let keepers = Keepers::default();
        let name = RedisConfig::DEFAULT_CLIENT;
        let core = connect(&config, name, &client, &uris, &keepers, Start::Now).await?;
        Ok(Redlock::new(core, kind))
    }
}

/// The nodes to vote: those that are configured, or the client's server alone.
pub(crate) fn node_uris(redlock: &RedlockConfig, client: &ClientConfig) -> Vec<Uri> {
    if redlock.nodes.is_empty() {
        vec![client.uri.clone()]
    } else {
        redlock.nodes.clone()
    }
}

/// When an engine's nodes are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Now,
    AtFirstUse,
}

/// Connects an engine for one client. `keepers`: timers to share with engines of the same clock.
pub(crate) async fn connect(
    config: &Config,
    name: &str,
    client: &ClientConfig,
    uris: &[Uri],
    keepers: &Keepers,
    start: Start,
) -> Result<Arc<Core>, Error> {
    let endpoints = uris
        .iter()
        .map(|uri| client.node_endpoint(uri))
        .collect::<Result<Vec<_>, _>>()?;
    let options = NodeOptions {
        name: name.into(),
        deadline: config.redlock.node_timeout,
        connect_timeout: client.connect_timeout,
        require_connection: client.require_connection,
        ..NodeOptions::default()
    };
    let nodes = match start {
        // All at once: one that is away costs its connect timeout only once.
        Start::Now => {
            let opening = endpoints
                .iter()
                .map(|endpoint| node::open(endpoint, &options));
            futures_util::future::try_join_all(opening).await?
        }
        Start::AtFirstUse => {
            let lazy = |endpoint: &Endpoint| LazyNode::boxed(endpoint.clone(), options.clone());
            endpoints.iter().map(lazy).collect()
        }
    };
    let (clock, keeper) = keepers.of(endpoints.iter().all(Endpoint::is_memory));
    let naming = Naming::new(&client.prefix, &config.redlock.namespace);
    Ok(Core::new(
        nodes,
        naming,
        Settings::from(&config.redlock),
        clock,
        keeper,
    ))
}

/// The timer tasks of one registry: one for servers, one for memory, whose time tests can pause.
#[derive(Debug, Default)]
pub(crate) struct Keepers {
    servers: std::sync::OnceLock<(Arc<dyn Clock>, Arc<Keeper>)>,
    memory: std::sync::OnceLock<(Arc<dyn Clock>, Arc<Keeper>)>,
}

impl Keepers {
    fn of(&self, memory: bool) -> (Arc<dyn Clock>, Arc<Keeper>) {
        let start = |clock: Arc<dyn Clock>| {
            let keeper = Keeper::start(Arc::clone(&clock));
            (clock, keeper)
        };
        if memory {
            self.memory
                .get_or_init(|| start(Arc::new(TokioClock::new())))
                .clone()
        } else {
            self.servers
                .get_or_init(|| start(Arc::new(BootClock::new())))
                .clone()
        }
    }
}
