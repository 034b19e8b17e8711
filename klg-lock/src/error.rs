//! What can go wrong: one enum per situation, one variant per decision a caller can take.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a lock was not given, or not kept.
///
/// Contention ([`Contended`](Self::Contended), [`Timeout`](Self::Timeout)) and outage
/// ([`Unavailable`](Self::Unavailable)) are never the same variant: the first means that somebody
/// else holds the resource, the second that too few nodes could be asked.
///
/// `Debug` prints the same sentence as `Display`, because that is what `main` shows.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
/// use klg_lock::LockError;
///
/// let _held = redlock.lock("key1").acquire().await?;
/// match redlock.lock("key1").acquire().await {
///     Err(LockError::Contended { holder, remaining, .. }) => {
///         println!("held by {holder:?} for another {remaining:?}");
///     }
///     Err(LockError::Unavailable { votes, .. }) => {
///         for vote in votes.iter() {
///             println!("{}: {}", vote.node, vote.error);
///         }
///     }
///     other => println!("{other:?}"),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// No registry is current here.
    #[error(
        "klg-lock is not initialised: call `klg_lock::init(Config::from_env()?).await?` at start-up, \
         or run this code inside `registry.scope(..)`"
    )]
    NotInitialized,

    /// The resource cannot name a lock.
    #[error("invalid lock key: {reason}")]
    InvalidKey {
        /// What is wrong with it, and what to write instead.
        reason: Box<str>,
    },

    /// The requested duration cannot be kept.
    #[error("invalid duration for {option}: {reason}")]
    InvalidTtl {
        /// The option at fault: `ttl`, `max_hold`, `extend`.
        option: &'static str,
        /// What is wrong with it, and the range that is allowed.
        reason: Box<str>,
    },

    /// Somebody holds the resource now, and the request was not to wait.
    #[error("{resource:?} is locked{}{}; try again later, or wait for it with `.wait(..)` or a buffer lock", by(.holder.as_deref()), for_another(*.remaining))]
    Contended {
        /// The resource that is held.
        resource: Box<str>,
        /// Who holds it, where the node could tell.
        holder: Option<Box<Holder>>,
        /// How much longer the holder's lock is good for, unless it is extended.
        remaining: Option<Duration>,
    },

    /// The resource stayed held for as long as the request was willing to wait.
    #[error("gave up waiting for {resource:?} after {} and {attempts} attempt{}{}; wait longer with `.wait(..)`, or hold it for less long", short(*.waited), plural(*.attempts), last_held(.holder.as_deref()))]
    Timeout {
        /// The resource that stayed held.
        resource: Box<str>,
        /// How long the request waited.
        waited: Duration,
        /// How often the nodes were asked; `0` when other waiters of this process were always ahead.
        attempts: u32,
        /// Who held it when last asked.
        holder: Option<Box<Holder>>,
    },

    /// Too few nodes could be asked to decide anything.
    #[error("no quorum of nodes answered for the lock on {resource:?} ({}); check that Redis is up and reachable", NodeFault::list(.votes))]
    Unavailable {
        /// The resource that was to be locked.
        resource: Box<str>,
        /// One entry for each node that failed, with its error.
        #[source]
        votes: Votes,
    },

    /// Exclusivity ended before the holder was done: somebody else may hold the resource now.
    #[error("the lock on {resource:?} was lost after {}; what ran under it may have overlapped with another holder, check its effects (a fencing token makes them safe)", short(*.held_for))]
    Lost {
        /// The resource.
        resource: Box<str>,
        /// How long it had been held.
        held_for: Duration,
    },

    /// The task that asks already holds the resource, and would wait for itself.
    #[error(
        "{resource:?} is already locked further up in this very task, which would wait for itself for ever; pass the lock handle down instead of locking again"
    )]
    WouldDeadlock {
        /// The resource.
        resource: Box<str>,
    },

    /// The registry has no client of that name.
    #[error("no Redis client is named {name:?}; known: {}", .known.join(", "))]
    UnknownClient {
        /// The name that was asked for.
        name: Box<str>,
        /// The names there are.
        known: Box<[String]>,
    },

    /// The registry or engine has been shut down.
    #[error("the lock engine has been shut down; no lock can be taken any more")]
    Closed,
}

impl fmt::Debug for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The process that holds a lock, as it described itself in the holder value.
///
/// Locks taken by other libraries carry no description; their holder shows as the raw value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// What the holder says of itself: `host:pid (service)`, or the raw value of a foreign lock.
    pub description: Box<str>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

/// One node's failure inside [`LockError::Unavailable`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeFault {
    /// The node, as it may be shown (never with credentials).
    pub node: Box<str>,
    /// What it failed with.
    pub error: NodeError,
}

impl NodeFault {
    pub(crate) fn new(node: &str, error: NodeError) -> Self {
        Self {
            node: node.into(),
            error,
        }
    }

    fn list(votes: &Votes) -> String {
        let parts: Vec<String> = votes
            .0
            .iter()
            .map(|v| format!("{}: {}", v.node, v.error))
            .collect();
        parts.join("; ")
    }
}

/// The failures behind [`LockError::Unavailable`], one per node that failed.
#[derive(Clone, Debug)]
pub struct Votes(pub(crate) Box<[NodeFault]>);

impl std::ops::Deref for Votes {
    type Target = [NodeFault];

    fn deref(&self) -> &[NodeFault] {
        &self.0
    }
}

impl fmt::Display for Votes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&NodeFault::list(self))
    }
}

impl StdError for Votes {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .first()
            .map(|vote| &vote.error as &(dyn StdError + 'static))
    }
}

/// What kind of failure a node showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeErrorKind {
    /// No connection could be made, or it broke.
    Unreachable,
    /// It did not answer within the node deadline.
    TimedOut,
    /// It refused the user name or password.
    Unauthorized,
    /// The user lacks the right to a command or key.
    Forbidden,
    /// It is a read-only replica.
    ReadOnly,
    /// It is still loading its data set, or a script keeps it busy.
    Loading,
    /// It is out of memory.
    OutOfMemory,
    /// What answers there does not speak the Redis protocol.
    NotRedis,
    /// It answered something the protocol does not provide for.
    Protocol,
    /// The client has been shut down.
    Closed,
}

impl NodeErrorKind {
    /// Whether waiting and asking again can help: `false` for wrong credentials, missing rights and
    /// servers that are not Redis.
    #[must_use]
    pub fn is_transient(self) -> bool {
        !matches!(
            self,
            Self::Unauthorized | Self::Forbidden | Self::NotRedis | Self::Protocol | Self::Closed
        )
    }
}

/// A node's failure to answer.
#[derive(Clone, Debug)]
pub struct NodeError {
    kind: NodeErrorKind,
    message: Box<str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl NodeError {
    pub(crate) fn new(kind: NodeErrorKind, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> NodeErrorKind {
        self.kind
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for NodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}

/// Why the library could not be started, configured, reached for a store operation, or shut down.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing, unknown or out of range.
    #[error("configuration: {0}")]
    Config(Box<str>),

    /// `init` was called a second time.
    #[error(
        "klg-lock is already initialised; call `klg_lock::init` once, at start-up (tests: build a registry of their own with `Registry::builder()`)"
    )]
    AlreadyInitialized,

    /// A Redis server could not be used.
    #[error("Redis client {client:?} ({server}): {error}")]
    Redis {
        /// The client's name.
        client: Box<str>,
        /// The server, without credentials.
        server: Box<str>,
        /// What happened, and the way out.
        #[source]
        error: NodeError,
    },

    /// A stored value is not what was asked for: another Redis type under the key, or bytes that
    /// do not decode.
    #[error("Redis client {client:?}, key {key:?}: {reason}")]
    Value {
        /// The client's name.
        client: Box<str>,
        /// The key, without the prefix.
        key: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
        /// The decoder's own error.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },

    /// A lock error met on the way.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl Error {
    pub(crate) fn config(message: impl Into<Box<str>>) -> Self {
        Self::Config(message.into())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an explicit operation of the cache failed. Functions that are merely cached never see it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The key or tag cannot name a cached value.
    #[error("invalid cache key: {reason}")]
    InvalidKey {
        /// What is wrong with it, and what to write instead.
        reason: Box<str>,
    },

    /// The value cannot be written by the cache's codec.
    #[error("the value for {key:?} cannot be encoded: {source}")]
    Encode {
        /// The key, without prefix and namespace.
        key: Box<str>,
        /// The codec's own error.
        source: Box<dyn StdError + Send + Sync>,
    },

    /// The server could not be asked.
    #[error("the cache on Redis client {client:?} ({server}) cannot be used: {error}")]
    Unavailable {
        /// The client's name.
        client: Box<str>,
        /// The server, without credentials.
        server: Box<str>,
        /// What happened, and the way out.
        #[source]
        error: NodeError,
    },

    /// The registry has no client of that name.
    #[error("no Redis client is named {name:?}; known: {}", .known.join(", "))]
    UnknownClient {
        /// The name that was asked for.
        name: Box<str>,
        /// The names there are.
        known: Box<[String]>,
    },

    /// No registry is current here.
    #[error(
        "klg-lock is not initialised: call `klg_lock::init(Config::from_env()?).await?` at start-up, \
         or run this code inside `registry.scope(..)`"
    )]
    NotInitialized,

    /// The registry has been shut down.
    #[error("the cache has been shut down")]
    Closed,
}

impl fmt::Debug for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn by(holder: Option<&Holder>) -> String {
    holder.map(|h| format!(" by {h}")).unwrap_or_default()
}

fn for_another(remaining: Option<Duration>) -> String {
    remaining
        .map(|r| format!(" for another {}", short(r)))
        .unwrap_or_default()
}

fn last_held(holder: Option<&Holder>) -> String {
    holder
        .map(|h| format!(", last held by {h}"))
        .unwrap_or_default()
}

fn plural(n: u32) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// A duration rounded to milliseconds, as people read it: `2m 5s`, `340ms`.
fn short(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_error_stays_small_and_can_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<LockError>();
        crosses::<Error>();
        crosses::<CacheError>();
        assert!(
            size_of::<LockError>() < 128,
            "{} bytes",
            size_of::<LockError>()
        );
    }

    #[test]
    fn debug_reads_as_display() {
        let error = LockError::Contended {
            resource: "key1".into(),
            holder: Some(Box::new(Holder {
                description: "db1:42 (shop)".into(),
            })),
            remaining: Some(Duration::from_millis(1500)),
        };
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(
            error.to_string(),
            "\"key1\" is locked by db1:42 (shop) for another 1s 500ms; \
             try again later, or wait for it with `.wait(..)` or a buffer lock"
        );
    }

    #[test]
    fn an_outage_keeps_its_cause() {
        let fault = NodeFault::new(
            "redis://a:6379",
            NodeError::new(NodeErrorKind::TimedOut, "no answer within 500ms"),
        );
        let error = LockError::Unavailable {
            resource: "k".into(),
            votes: Votes(Box::new([fault])),
        };
        assert!(
            error
                .to_string()
                .contains("redis://a:6379: no answer within 500ms")
        );
        let source = StdError::source(&error).and_then(StdError::source);
        assert_eq!(
            source.map(ToString::to_string).as_deref(),
            Some("no answer within 500ms")
        );
    }
}
