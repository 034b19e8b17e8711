//! What makes a setting impossible: every rule, in one place, before anything is built from it.

use std::time::Duration;

use super::{CacheConfig, ClientConfig, Config, RedisConfig, RedlockConfig, TlsConfig, Uri};
use crate::client::{Endpoint, Kind};
use crate::error::Error;

/// The smallest TTL of a lock: of less, nothing is left after the clocks' granularity.
const MIN_TTL: Duration = Duration::from_millis(5);
/// The largest TTL of a lock, about 24 days: what Redis and the clocks here can surely add up.
const MAX_TTL: Duration = Duration::from_millis(2_147_483_647);
/// The largest of all other durations; more than a year is a slip of the pen.
const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The longest text that is to be shown to others, in bytes.
const MAX_SERVICE: usize = 128;

/// A broken rule, in words that name the field and the way out.
type Broken = Result<(), String>;

impl Config {
    /// Checks every setting. Whoever builds something from a configuration does this first.
    ///
    /// # Errors
    /// [`Error::Config`] for the first setting that cannot work, with what to write instead.
    pub fn check(&self) -> Result<(), Error> {
        self.redis
            .broken()
            .and_then(|()| self.redlock.broken())
            .and_then(|()| self.cache.broken(&self.redis))
            .and_then(|()| self.keys_apart())
            .map_err(Error::config)
    }

    /// A lock and a cached value of one name must not be one key.
    fn keys_apart(&self) -> Broken {
        let (lock, cache) = (&self.redlock.namespace, &self.cache.namespace);
        if cache.is_empty() || (lock != cache && lock.starts_with(cache.as_str())) {
            return Err(format!(
                "cache.namespace is {cache:?} and redlock.namespace {lock:?}, so that clearing the cache would remove the locks; give the cache a namespace that no lock's key begins with"
            ));
        }
        if self.redlock.namespace != self.cache.namespace {
            return Ok(());
        }
        Err(format!(
            "redlock.namespace and cache.namespace are both {:?}, so that a lock and a cached value of the same name would share a key; give each its own",
            self.cache.namespace
        ))
    }
}

impl RedisConfig {
    fn broken(&self) -> Broken {
        for name in self.clients.keys() {
            client_name(name)?;
        }
        for (name, client) in self.all_clients() {
            let section = match name {
                Self::DEFAULT_CLIENT => "redis".to_owned(),
                name => format!("redis.clients.{name}"),
            };
            client.broken(&section)?;
        }
        Ok(())
    }
}

fn client_name(name: &str) -> Broken {
    if name == RedisConfig::DEFAULT_CLIENT {
        return Err(format!(
            "redis.clients.{name} takes the name of the default client; set that one in [redis], or choose another name"
        ));
    }
    if name.trim() != name || name.is_empty() || name.chars().any(char::is_control) {
        return Err(format!(
            "{name:?} in redis.clients cannot name a client; give a name that is not empty and has no space around it"
        ));
    }
    Ok(())
}

impl ClientConfig {
    /// Checks the settings of one client that is built by itself.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.broken("client").map_err(Error::config)
    }

    fn broken(&self, section: &str) -> Broken {
        let field = format!("{section}.uri");
        uri(&field, &self.uri, self.endpoint())?;
        prefix(&format!("{section}.prefix"), &self.prefix)?;
        above_zero(&format!("{section}.connect_timeout"), self.connect_timeout)?;
        above_zero(
            &format!("{section}.response_timeout"),
            self.response_timeout,
        )?;
        if self.lazy && self.require_connection {
            return Err(format!(
                "{section}.lazy and {section}.require_connection are both set; a client that connects at its first use cannot be required to at start-up"
            ));
        }
        self.tls.broken(section)
    }
}

impl TlsConfig {
    fn broken(&self, section: &str) -> Broken {
        let (given, missing) = match (&self.cert, &self.key) {
            (Some(_), None) => ("cert", "key"),
            (None, Some(_)) => ("key", "cert"),
            _ => return Ok(()),
        };
        Err(format!(
            "{section}.tls.{given} is set without {section}.tls.{missing}; a client certificate needs both"
        ))
    }
}

impl RedlockConfig {
    fn broken(&self) -> Broken {
        namespace("redlock.namespace", &self.namespace)?;
        ttl("redlock.ttl", self.ttl)?;
        share("redlock.drift_factor", self.drift_factor)?;
        // What is left after the drift and 2 ms of granularity, as the algorithm reckons.
        let validity = self.ttl.mul_f64(1.0 - self.drift_factor);
        if validity <= Duration::from_millis(2) {
            return Err(format!(
                "redlock.ttl of {} leaves no validity at a redlock.drift_factor of {}; raise the one or lower the other",
                shown(self.ttl),
                self.drift_factor
            ));
        }
        if let Some(max_ttl) = self.max_ttl {
            ttl("redlock.max_ttl", max_ttl)?;
            if self.ttl > max_ttl {
                return Err(format!(
                    "redlock.ttl of {} is longer than redlock.max_ttl of {}",
                    shown(self.ttl),
                    shown(max_ttl)
                ));
            }
        }
        if let Some(max_hold) = self.max_hold {
            within("redlock.max_hold", max_hold, MIN_TTL)?;
        }
        above_zero("redlock.node_timeout", self.node_timeout)?;
        not_endless("redlock.handover_time", self.handover_time)?;
        not_endless("redlock.shutdown_grace", self.shutdown_grace)?;
        if let Some(service) = &self.service {
            service_name(service)?;
        }
        if self.restart_guard && self.max_ttl.is_none() {
            return Err(
                "redlock.restart_guard needs redlock.max_ttl: that is how long a node that restarted stays out of the vote"
                    .to_owned(),
            );
        }
        if self.restart_guard {
            return Err(
                "redlock.restart_guard is not available in this version; leave it off".to_owned(),
            );
        }
        self.buffer_broken()?;
        self.nodes_broken()
    }

    fn buffer_broken(&self) -> Broken {
        let buffer = &self.buffer;
        if buffer.wait.is_zero() {
            return Err(
                "redlock.buffer.wait is 0; a lock that does not wait is a mutex lock, so use that"
                    .to_owned(),
            );
        }
        not_endless("redlock.buffer.wait", buffer.wait)?;
        above_zero("redlock.buffer.retry_delay", buffer.retry_delay)?;
        not_endless("redlock.buffer.retry_jitter", buffer.retry_jitter)
    }

    fn nodes_broken(&self) -> Broken {
        for (index, node) in self.nodes.iter().enumerate() {
            let field = format!("redlock.nodes[{index}]");
            uri(&field, node, Endpoint::parse(node.as_str()))?;
            let earlier = self.nodes.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| same_server(other, node)) {
                return Err(format!(
                    "redlock.nodes names {node} twice; a server has one vote, so name each once"
                ));
            }
        }
        Ok(())
    }
}

fn service_name(service: &str) -> Broken {
    if service.trim().is_empty() || service.chars().any(char::is_control) {
        return Err(format!(
            "redlock.service is {service:?}; give a name that others can read, or none"
        ));
    }
    if service.len() > MAX_SERVICE {
        return Err(format!(
            "redlock.service has {} bytes, at most {MAX_SERVICE} are allowed: it travels with every request",
            service.len()
        ));
    }
    Ok(())
}

impl CacheConfig {
    fn broken(&self, redis: &RedisConfig) -> Broken {
        if let Some(client) = &self.client
            && redis.all_clients().all(|(name, _)| name != client)
        {
            let known: Vec<_> = redis.all_clients().map(|(name, _)| name).collect();
            return Err(format!(
                "cache.client names no client: {client:?}; known: {}",
                known.join(", ")
            ));
        }
        namespace("cache.namespace", &self.namespace)?;
        above_zero("cache.ttl", self.ttl)?;
        share("cache.ttl_jitter", self.ttl_jitter)?;
        not_endless("cache.stale", self.stale)?;
        if let Some(none_ttl) = self.none_ttl {
            above_zero("cache.none_ttl", none_ttl)?;
        }
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return Err(format!(
                "cache.beta is {}, but must be a number from 0 (no early refresh) upwards",
                self.beta
            ));
        }
        above_zero("cache.load_timeout", self.load_timeout)?;
        above_zero("cache.timeout", self.timeout)?;
        at_least_one("cache.breaker_failures", self.breaker_failures.into())?;
        not_endless("cache.breaker_pause", self.breaker_pause)?;
        at_least_one("cache.refreshes", self.refreshes.into())?;
        at_least_one("cache.l1.max_bytes", self.l1.max_bytes)?;
        above_zero("cache.l1.ttl", self.l1.ttl)
    }
}

fn uri(field: &str, uri: &Uri, parsed: Result<Endpoint, Error>) -> Broken {
    if uri.as_str().trim().is_empty() {
        return Err(format!(
            "{field} is empty; give a URI such as redis://localhost:6379, or memory:// for a server in this process"
        ));
    }
    match parsed {
        Ok(_) => Ok(()),
        Err(Error::Config(reason)) => Err(format!("{field}: {reason}")),
        Err(other) => Err(format!("{field}: {other}")),
    }
}

/// Whether two nodes would be one, whatever their credentials and databases. Memory servers without
/// a name are private, and so never the same.
fn same_server(a: &Uri, b: &Uri) -> bool {
    match (Endpoint::parse(a.as_str()), Endpoint::parse(b.as_str())) {
        (Ok(a), Ok(b)) => a.kind == b.kind && a.kind != Kind::Memory(None),
        _ => false,
    }
}

/// A brace in the wrong place would put a lock and its fencing counter into different slots.
fn prefix(field: &str, prefix: &str) -> Broken {
    let plain = |part: &str| !part.contains(['{', '}']);
    let one_tag = || {
        let (before, rest) = prefix.split_once('{')?;
        let (tag, after) = rest.split_once('}')?;
        Some(!tag.is_empty() && plain(before) && plain(tag) && plain(after))
    };
    if plain(prefix) || one_tag() == Some(true) {
        return Ok(());
    }
    Err(format!(
        "{field} is {prefix:?}, which has a stray brace; write none, or one complete hash tag such as \"{{app}}:\""
    ))
}

fn namespace(field: &str, namespace: &str) -> Broken {
    if namespace.contains(['{', '}']) {
        return Err(format!(
            "{field} is {namespace:?}, which has a brace; put a hash tag into the prefix, or into the keys"
        ));
    }
    Ok(())
}

fn ttl(field: &str, ttl: Duration) -> Broken {
    if ttl < MIN_TTL || ttl > MAX_TTL {
        return Err(format!(
            "{field} is {}, but must be from {} to {}",
            shown(ttl),
            shown(MIN_TTL),
            shown(MAX_TTL)
        ));
    }
    Ok(())
}

fn above_zero(field: &str, duration: Duration) -> Broken {
    within(field, duration, Duration::from_millis(1))
}

fn within(field: &str, duration: Duration, least: Duration) -> Broken {
    if duration < least {
        return Err(format!(
            "{field} is {}, but must be at least {}",
            shown(duration),
            shown(least)
        ));
    }
    not_endless(field, duration)
}

fn not_endless(field: &str, duration: Duration) -> Broken {
    if duration > MAX_DURATION {
        return Err(format!(
            "{field} is {}, but must be at most a year",
            shown(duration)
        ));
    }
    Ok(())
}

fn share(field: &str, share: f64) -> Broken {
    if !(0.0..1.0).contains(&share) {
        return Err(format!(
            "{field} is {share}, but must be at least 0 and below 1"
        ));
    }
    Ok(())
}

fn at_least_one(field: &str, number: u64) -> Broken {
    if number == 0 {
        return Err(format!("{field} is 0, but must be at least 1"));
    }
    Ok(())
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
