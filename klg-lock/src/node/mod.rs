//! The port: what the algorithm asks of one node, and the answers it may get.
//!
//! The algorithm (`redlock/`) knows this module and never Redis; `memory.rs` and `redis.rs` are
//! its two sides. A node is asked by [`Node::submit`], which queues at once and never blocks, so
//! that a dropped guard can queue its release from any thread, with no runtime entered. The order
//! of the calls to `submit` is the order in which the node sees the requests of one claim.

mod lazy;
mod memory;
mod redis;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use self::lazy::LazyNode;
pub(crate) use self::memory::MemoryNode;
pub(crate) use self::redis::RedisNode;
use crate::client::{Endpoint, Kind};
use crate::error::{Error, NodeError, NodeErrorKind};

/// The keys of one set of resources, named once and shared by all requests for it.
///
/// Sorted by lock key and free of duplicates, so that `{a, b}` and `{b, a}` are the same set.
pub(crate) struct KeySet {
    keys: Box<[LockKey]>,
    /// Where the resource begins inside each lock key: the length of prefix and namespace.
    offset: usize,
}

/// The two keys one resource owns on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockKey {
    /// `{prefix}{namespace}{resource}`: carries the holder value.
    pub(crate) lock: Arc<str>,
    /// The fencing counter, in the same cluster slot.
    pub(crate) fence: Box<str>,
}

impl KeySet {
    /// `keys` need not be sorted; `offset` is the length of prefix and namespace.
    pub(crate) fn new(mut keys: Vec<LockKey>, offset: usize) -> Self {
        keys.sort_by(|a, b| a.lock.cmp(&b.lock));
        keys.dedup_by(|a, b| a.lock == b.lock);
        Self {
            keys: keys.into_boxed_slice(),
            offset,
        }
    }

    pub(crate) fn keys(&self) -> &[LockKey] {
        &self.keys
    }

    /// The resource of one key, as the user named it.
    pub(crate) fn resource(&self, index: usize) -> &str {
        self.keys
            .get(index)
            .and_then(|key| key.lock.get(self.offset..))
            .unwrap_or_default()
    }

    /// All resources as one text for messages: `a`, or `a, b`.
    pub(crate) fn describe(&self) -> String {
        let names: Vec<&str> = (0..self.keys.len()).map(|i| self.resource(i)).collect();
        names.join(", ")
    }
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|k| &k.lock))
            .finish()
    }
}

/// One attempt's right to its keys: the set and the holder value, fresh for every attempt.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) keys: Arc<KeySet>,
    /// The holder value: random bits, then a description of the process.
    pub(crate) value: Box<str>,
    place: OnceLock<Arc<Place>>,
    released: AtomicBool,
    served: AtomicBool,
}

/// A waiter's place in a node's queue for one resource, the same for all its attempts.
#[derive(Debug)]
pub(crate) struct Place {
    /// The queue's key, in the lock key's slot.
    pub(crate) queue: Box<str>,
    /// The place's key: a change of it tells the waiter to ask.
    pub(crate) own: Arc<str>,
}

/// What those who wait for the same resources tell each other by way of a node.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    /// Where this engine is told that one of its waiters was given the lock.
    pub(crate) given: Arc<str>,
    /// The beginning of every channel where a process is told that somebody waits for its lock.
    pub(crate) wanted: Arc<str>,
    /// How holder values name this process, which is the end of its channel.
    pub(crate) process: Arc<str>,
}

/// A node gave a lock to a waiter that had left an offer at its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The holder value that it was given to.
    pub(crate) value: Box<str>,
    /// The last question for it before that, which also says how many numbers were reserved.
    pub(crate) question: u32,
    /// The end of the reserved range of fencing numbers.
    pub(crate) end: u64,
}

impl Claim {
    pub(crate) fn new(keys: Arc<KeySet>, value: impl Into<Box<str>>) -> Self {
        Self {
            keys,
            value: value.into(),
            place: OnceLock::new(),
            released: AtomicBool::new(false),
            served: AtomicBool::new(false),
        }
    }

    /// The same, in the order of the node's queue.
    pub(crate) fn queued(self, place: &Arc<Place>) -> Self {
        let _ = self.place.set(Arc::clone(place));
        self
    }

    /// Where the attempt stands, or stood, in the node's own queue, if it is to be served in order.
    pub(crate) fn place(&self) -> Option<&Arc<Place>> {
        self.place.get()
    }

    /// It was granted, and stands at its place no more.
    pub(crate) fn mark_served(&self) {
        self.served.store(true, Ordering::Release);
    }

    pub(crate) fn is_served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }

    /// Others wait for its key in this queue, though it never did: its release is to pass the key on.
    pub(crate) fn wanted(&self, place: impl FnOnce() -> Arc<Place>) {
        self.place.get_or_init(place);
    }

    /// From here on nothing but the release of this value may be sent, for any reason.
    /// Returns whether this call was the first.
    pub(crate) fn mark_released(&self) -> bool {
        !self.released.swap(true, Ordering::AcqRel)
    }

    /// A node looks at this before it writes, or repeats, anything but a release.
    pub(crate) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }
}

/// What a node is asked to do for a claim.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) claim: Arc<Claim>,
    pub(crate) op: Op,
}

/// The operations of the protocol. Each is one script call; all keys of the claim or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Grant if every key is absent or carries this very value; set each key's TTL to
    /// `max(remaining, ttl)`, and reserve `reserve` fencing numbers.
    /// Answers `Granted { end }` with the end of the reserved range, or `Held`.
    Acquire { ttl: Duration, reserve: u64 },
    /// Like `Acquire` of one key, but granted in the order in which places asked first; a place
    /// that is not asked for lives for `life`. `watch`: be told of changes of the lock key as well,
    /// which only the first of the queue needs. `offer`: whoever releases the lock may give it to
    /// this claim for so long, and [`WakeSink::given`] tells; a node that cannot do that leaves it.
    /// Answers `Granted`, or `Held` with `ahead`.
    Queue {
        ttl: Duration,
        reserve: u64,
        life: Duration,
        watch: bool,
        offer: Option<Duration>,
        /// Tells the questions of one claim apart.
        question: u32,
    },
    /// Takes or keeps the claim's place in the order of those who wait, and nothing else: where
    /// several nodes vote, one of them keeps the order. Answers `Held` with `ahead`.
    Stand { life: Duration },
    /// Gives the claim's place up. Repeated as a release is, for as long as the place may live: a
    /// place that is left behind keeps others waiting. Answers `Granted { end: 0 }`.
    Leave { keep_trying: Duration },
    /// Has the first of those who wait for the claim's key ask. Answers `Granted { end: 0 }`.
    Call,
    /// Only where all keys carry the value: TTL to `max(remaining, ttl)`, `reserve` more fencing
    /// numbers (0: none, only prolong the fence keys).
    /// Answers `Granted { end }` with the counter, `Held` (another value) or `Missing`.
    Extend { ttl: Duration, reserve: u64 },
    /// Give a node that lost the keys back what the quorum holds: like `Acquire` with no
    /// reservation, and raise the fence counters to at least `fence`.
    /// Answers `Granted { end }` with the counter, or `Held`.
    Heal { ttl: Duration, fence: u64 },
    /// Raise the fence counters to at least `fence`, only while all keys carry the value.
    /// Answers `Granted { end }` with the counter, `Held` or `Missing`.
    Raise { fence: u64 },
    /// Compare and delete, key by key; a claim with a place may pass its key on to the first who
    /// waits. Repeated after a reconnect until answered or until `keep_trying` has passed since it
    /// was queued (the TTL: nothing can be left after that).
    /// Answers `Granted { end: 0 }` if all keys carried the value, else `Held` or `Missing`; a
    /// repeat, whose first sending may have been carried out unheard, always the former.
    Release { keep_trying: Duration },
    /// Who holds the first key. Answers `Held` or `Missing`; writes nothing.
    Inspect,
}

/// What a node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    /// Done. `end`: the fence counter now stored, which is the end of a reserved range.
    Granted { end: u64 },
    /// Another value is under a key.
    Held(Occupied),
    /// A key is absent where it had to be there.
    Missing,
}

/// What a node knows of the holder that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occupied {
    /// Index into the claim's keys.
    pub(crate) key: usize,
    /// The holder value; `None` where the key is not a string.
    pub(crate) value: Option<Box<str>>,
    /// Remaining TTL; `None` where the key never expires.
    pub(crate) remaining: Option<Duration>,
    /// How many places are ahead; only for `Queue` and `Stand`, whose lock key may be free
    /// meanwhile.
    pub(crate) ahead: Option<u64>,
}

/// Where the answer arrives. Dropping it does not take the request back.
pub(crate) type Reply = oneshot::Receiver<Result<Vote, NodeError>>;

/// One independent node: a single master, a cluster, a Sentinel-managed master, or memory.
pub(crate) trait Node: fmt::Debug + Send + Sync + 'static {
    /// The node's name as it may be shown: no credentials.
    fn label(&self) -> &str;

    /// Queues a request, in order, without blocking and from any thread.
    ///
    /// A node that is known to be down or hung answers with an error at once instead of letting
    /// the request wait; every request is answered or failed within the node's own deadline,
    /// except releases, which go on being tried for as long as they say.
    /// Once [`Claim::is_released`], queued requests of the claim other than its release are
    /// dropped (their reply fails), never sent.
    fn submit(&self, request: Request) -> Reply;

    /// Whether a refused attempt is told by a push when it is worth asking again. `false`: poll.
    fn pushes(&self) -> bool;

    /// Whether all keys of one request must be in one cluster slot.
    fn single_slot(&self) -> bool;

    /// Names the engine that wants the pushes, and this node's index in it. Called once, before
    /// the first request.
    fn attach(&self, index: usize, sink: Weak<dyn WakeSink>);

    /// Stops taking requests, and resolves when the queued releases are answered or `bound` is over.
    fn close(&self, bound: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Where a node's pushes go: the engine's waiters.
pub(crate) trait WakeSink: Send + Sync {
    /// Something happened to `key` on node `index`: ask again. It never means "free".
    /// `None`: everything may have changed (flush, reconnect).
    ///
    /// It must not block, and must not take a mutex that its engine holds during a call of
    /// [`Node::submit`]: a node in memory wakes in the thread of the submit that caused the push,
    /// so that two engines doing so would wait for each other.
    fn wake(&self, index: usize, key: Option<&str>);

    /// The lock that the waiter at `place` waits for was given to it. The same holds as for `wake`.
    fn given(&self, place: &str, given: Given);

    /// Somebody has begun to wait for `key`, which this process holds. The same holds as for `wake`.
    fn wanted(&self, key: &str);

    /// Where to listen for the two; `None`: the order is of no use, since no single node grants.
    fn channels(&self) -> Option<Channels>;
}

/// How a node is reached, and for how long it is waited for.
#[derive(Clone, Debug)]
pub(crate) struct NodeOptions {
    /// The client's name in errors, logs and `CLIENT LIST`.
    pub(crate) name: Box<str>,
    /// Every request is answered or failed within this. Far below any sensible TTL, far above a
    /// round trip: a node that takes longer is of no use to a quorum.
    pub(crate) deadline: Duration,
    /// The bound on resolving, connecting and signing in, each time.
    pub(crate) connect_timeout: Duration,
    /// How often an idle connection is asked whether it is alive. A dead one pushes nothing.
    pub(crate) ping_interval: Duration,
    /// Ask Redis to push. `false`: waiting locks poll.
    pub(crate) tracking: bool,
    /// A server that is away at start is an error.
    pub(crate) require_connection: bool,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            name: "default".into(),
            deadline: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(1),
            ping_interval: Duration::from_secs(10),
            tracking: true,
            require_connection: false,
        }
    }
}

/// Opens the node behind an endpoint.
///
/// A server that is merely away gives a node that goes on trying in the background, unless
/// `require_connection` is set.
///
/// # Errors
///
/// [`Error::Redis`] for what waiting does not mend: wrong credentials, no Redis, a cluster where
/// one server was named or the reverse, a replica.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn open(
    endpoint: &Endpoint,
    options: &NodeOptions,
) -> Result<Arc<dyn Node>, Error> {
    if let Kind::Memory(name) = &endpoint.kind {
        return Ok(MemoryNode::open(name.as_deref()));
    }
    if let Kind::Cluster(_) = &endpoint.kind {
        return open_cluster(endpoint, options).await;
    }
    let (node, connected) = RedisNode::start(endpoint, options).await;
    checked(connected, endpoint, options)?;
    Ok(Arc::new(node))
}

#[cfg(feature = "cluster")]
async fn open_cluster(endpoint: &Endpoint, options: &NodeOptions) -> Result<Arc<dyn Node>, Error> {
    let (node, connected) = self::redis::ClusterNode::start(endpoint, options).await;
    checked(connected, endpoint, options)?;
    Ok(Arc::new(node))
}

#[cfg(not(feature = "cluster"))]
async fn open_cluster(_: &Endpoint, _: &NodeOptions) -> Result<Arc<dyn Node>, Error> {
    Err(Error::config(
        "redis+cluster:// needs the feature `cluster` of klg-lock: klg-lock = { features = [\"cluster\"] }",
    ))
}

/// Decides which first failure is an error, and which a warning.
fn checked(
    connected: Result<(), NodeError>,
    endpoint: &Endpoint,
    options: &NodeOptions,
) -> Result<(), Error> {
    let Err(error) = connected else {
        return Ok(());
    };
    let permanent = !error.kind().is_transient() || error.kind() == NodeErrorKind::ReadOnly;
    if permanent || options.require_connection {
        return Err(Error::Redis {
            client: options.name.clone(),
            server: endpoint.label().into(),
            error,
        });
    }
    tracing::warn!(client = %options.name, server = %endpoint, %error, "Redis is away, the lock node goes on trying");
    Ok(())
}
