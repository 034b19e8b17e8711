//! An engine of one's own, without the registry.

use std::sync::Arc;
use std::time::Duration;

use super::Redlock;
use super::clock::{Clock, TokioClock};
use super::core::{Core, server_clock};
use super::keeper::Keeper;
use super::resources::Naming;
use super::retry::Retry;
use super::settings::{Kind, Settings, check_max_hold, check_ttl};
use crate::client::Endpoint;
use crate::error::Error;
use crate::node::{self, Node, NodeOptions};

/// Builds an engine that belongs to no registry; made by [`Redlock::builder`].
///
/// # Default
/// One node, `redis://localhost:6379`; prefix `redis_`, namespace `lock:`, TTL 60 s, drift factor
/// 0.01, auto-extension on, the mutex kind.
#[must_use = "a builder does nothing until `connect` is called"]
#[derive(Clone, Debug)]
pub struct RedlockBuilder {
    nodes: Vec<String>,
    prefix: String,
    namespace: String,
    kind: Kind,
    settings: Settings,
    options: NodeOptions,
}

impl Default for RedlockBuilder {
    fn default() -> Self {
        Self {
            nodes: vec!["redis://localhost:6379".to_owned()],
            prefix: "redis_".to_owned(),
            namespace: "lock:".to_owned(),
            kind: Kind::Mutex,
            settings: Settings::default(),
            options: NodeOptions::default(),
        }
    }
}

impl RedlockBuilder {
    /// The independent masters that vote, by URI. One is fine; more should be an odd number.
    pub fn nodes<S: Into<String>>(mut self, nodes: impl IntoIterator<Item = S>) -> Self {
        self.nodes = nodes.into_iter().map(Into::into).collect();
        self
    }

    /// What every key begins with. No braces, except for one complete hash tag.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// What stands between the prefix and the resource in a lock's key. No braces.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// How long nodes keep a lock without an extension; 5 ms to 24 days.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// By how much clocks may drift apart, as a share of the TTL; 0 to below 1.
    pub fn drift_factor(mut self, drift_factor: f64) -> Self {
        self.settings.drift_factor = drift_factor;
        self
    }

    /// Whether locks are extended in the background while they are held.
    pub fn auto_extend(mut self, auto_extend: bool) -> Self {
        self.settings.auto_extend = auto_extend;
        self
    }

    /// Ends every lock after this long, whatever its holder does.
    pub fn max_hold(mut self, max_hold: Duration) -> Self {
        self.settings.max_hold = Some(max_hold);
        self
    }

    /// How long one node has to answer one request before it counts as failed.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.options.node_timeout = timeout;
        self
    }

    /// How often in a row, and for how long, a lock may go from holder to holder inside this
    /// process before it is really released; 0 releases each time.
    pub fn handover(mut self, times: u32, time: Duration) -> Self {
        self.settings.handover = times;
        self.settings.handover_time = time;
        self
    }

    /// What contenders and `inspect` are told the holder is, beside host and process id.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.settings.service = service.into();
        self
    }

    /// Locks fail at once when the resource is held, unless the request says how long to wait.
    pub fn mutex(mut self) -> Self {
        self.kind = Kind::Mutex;
        self
    }

    /// Locks wait their turn.
    pub fn buffer(mut self, retry: Retry) -> Self {
        self.kind = Kind::Buffer;
        self.settings.buffer = retry;
        self
    }

    /// Checks the settings and connects.
    ///
    /// A server that is away does not fail this: locks report it until it is back.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work; [`Error::Redis`] for servers that will
    /// never serve, such as a wrong password.
    pub async fn connect(self) -> Result<Redlock, Error> {
        let Self {
            nodes,
            prefix,
            namespace,
            kind,
            settings,
            options,
        } = self;
        check(&settings, &prefix, &namespace)?;
        let endpoints = endpoints(&nodes)?;
        let clock = clock_for(&endpoints);
        let nodes = open(&endpoints, &options).await?;
        let keeper = Keeper::start(Arc::clone(&clock));
        let core = Core::new(
            nodes,
            Naming::new(&prefix, &namespace),
            settings,
            clock,
            keeper,
        );
        Ok(Redlock::new(core, kind))
    }
}

/// Parses node URIs; none at all, and the same server twice, are mistakes.
pub(crate) fn endpoints(uris: &[String]) -> Result<Vec<Endpoint>, Error> {
    if uris.is_empty() {
        return Err(Error::config(
            "no Redlock node is given; name at least one, such as \"redis://localhost:6379\"",
        ));
    }
    let endpoints = uris
        .iter()
        .map(|uri| Endpoint::parse(uri))
        .collect::<Result<Vec<_>, _>>()?;
    for (index, endpoint) in endpoints.iter().enumerate() {
        if endpoints[..index]
            .iter()
            .any(|other| other.is_same_server(endpoint))
        {
            return Err(Error::config(format!(
                "the Redlock node {} is named twice; a server has one vote, so name each once",
                endpoint.label()
            )));
        }
    }
    Ok(endpoints)
}

/// In memory time may be paused by a test; servers have a time of their own.
pub(crate) fn clock_for(endpoints: &[Endpoint]) -> Arc<dyn Clock> {
    if endpoints.iter().all(Endpoint::is_memory) {
        Arc::new(TokioClock::new())
    } else {
        server_clock()
    }
}

pub(crate) async fn open(
    endpoints: &[Endpoint],
    options: &NodeOptions,
) -> Result<Vec<Arc<dyn Node>>, Error> {
    let mut nodes = Vec::with_capacity(endpoints.len());
    // All at once: one that is away costs its connect timeout only once.
    let opening: Vec<_> = endpoints
        .iter()
        .map(|endpoint| node::open(endpoint, options))
        .collect();
    for node in futures_util::future::join_all(opening).await {
        nodes.push(node?);
    }
    Ok(nodes)
}

/// Settings that could never give a lock.
pub(crate) fn check(settings: &Settings, prefix: &str, namespace: &str) -> Result<(), Error> {
    if !(0.0..1.0).contains(&settings.drift_factor) {
        return Err(Error::config(format!(
            "drift_factor is {}, but must be at least 0 and below 1",
            settings.drift_factor
        )));
    }
    check_ttl("ttl", settings.ttl, settings.drift_factor)?;
    settings.max_hold.map_or(Ok(()), check_max_hold)?;
    check_naming(prefix, namespace)
}

/// A brace in the wrong place would put a lock and its fencing counter into different slots.
pub(crate) fn check_naming(prefix: &str, namespace: &str) -> Result<(), Error> {
    let one_tag = || {
        let (before, rest) = prefix.split_once('{')?;
        let (tag, after) = rest.split_once('}')?;
        let plain = |part: &str| !part.contains(['{', '}']);
        (plain(before) && plain(tag) && plain(after) && !tag.is_empty()).then_some(())
    };
    if prefix.contains(['{', '}']) && one_tag().is_none() {
        return Err(Error::config(format!(
            "the prefix {prefix:?} has a stray brace; use none, or one complete hash tag such as \"{{app}}:\""
        )));
    }
    if namespace.contains(['{', '}']) {
        return Err(Error::config(format!(
            "the namespace {namespace:?} has a brace; put a hash tag into the prefix or the resource instead"
        )));
    }
    Ok(())
}
