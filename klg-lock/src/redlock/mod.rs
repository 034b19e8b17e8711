//! The Redlock algorithm: an engine that locks resources on a quorum of nodes.
//!
//! It knows the port in [`node`](crate::node), never Redis. Read `round.rs` for the algorithm
//! itself, `contend.rs` for what a request goes through, `order.rs` for waiting in the
//! node's own queue, `queue.rs` for who is next inside this
//! process, and `keeper.rs` for what happens in the background. `quorum.rs`, `validity.rs`,
//! `fence.rs` and `retry.rs` are the pure rules.

pub(crate) mod builder;
pub(crate) mod clock;
mod contend;
pub(crate) mod core;
mod fence;
mod guard;
mod held;
mod holder;
mod hot;
mod inspect;
pub(crate) mod keeper;
mod lease;
mod order;
mod outcome;
mod progress;
mod queue;
mod quorum;
mod replies;
mod request;
pub(crate) mod resources;
mod retry;
mod round;
mod seat;
pub(crate) mod settings;
mod standing;
#[cfg(test)]
mod tests;
mod using;
mod validity;

use std::fmt;
use std::sync::Arc;

pub use self::builder::RedlockBuilder;
use self::core::Core;
pub use self::fence::FencingToken;
pub use self::guard::{Lock, LockHandle};
pub use self::inspect::Inspection;
pub use self::request::LockRequest;
pub use self::resources::IntoResources;
pub use self::retry::Retry;
use self::settings::Kind;
pub use self::settings::OnLost;
#[cfg(feature = "macros")]
pub(crate) use self::using::Entered;
use crate::error::LockError;

/// An engine that locks resources on a quorum of nodes; cheap to clone.
///
/// It comes in two kinds, which differ only in their default: a *mutex* fails at once when the
/// resource is held, a *buffer* waits its turn (10 minutes unless configured otherwise; first come,
/// first served inside this process, no order between processes).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::{Redlock, Retry};
///
/// let redlock = Redlock::builder().nodes(["memory://"]).buffer(Retry::default()).connect().await?;
/// let answer = redlock.using("report", |lock| async move {
///     assert!(lock.is_valid());
///     42
/// }).await?;
/// assert_eq!(answer, 42);
/// # redlock.shutdown().await; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Redlock {
    core: Arc<Core>,
    kind: Kind,
}

impl Redlock {
    pub(crate) fn new(core: Arc<Core>, kind: Kind) -> Self {
        Self { core, kind }
    }

    /// Builds an engine of one's own, without the registry.
    pub fn builder() -> RedlockBuilder {
        RedlockBuilder::default()
    }

    /// The same engine, failing at once when a resource is held.
    #[must_use]
    pub fn as_mutex(&self) -> Self {
        Self::new(Arc::clone(&self.core), Kind::Mutex)
    }

    /// The same engine, waiting its turn.
    #[must_use]
    pub fn as_buffer(&self) -> Self {
        Self::new(Arc::clone(&self.core), Kind::Buffer)
    }

    /// A request for one or several resources (all or none); options and `acquire` or `using`
    /// follow.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
    /// use std::time::Duration;
    ///
    /// let request = redlock.lock("key1").ttl(Duration::from_secs(10)).wait(Duration::from_secs(3));
    /// let lock = request.acquire().await?;
    /// let both = redlock.lock(["key2", "key3"]).acquire().await?;
    /// # Ok(()) }
    /// ```
    pub fn lock<K: IntoResources>(&self, resource: K) -> LockRequest {
        LockRequest::new(&self.core, self.kind, resource)
    }

    /// Acquires, runs `routine`, releases: [`LockRequest::using`] with all options at their default.
    ///
    /// # Errors
    /// As [`LockRequest::using`].
    ///
    /// # Cancel safety
    /// Dropping the future drops the routine and then releases the lock in the background.
    pub fn using<K, F, Fut>(
        &self,
        resource: K,
        routine: F,
    ) -> impl Future<Output = Result<Fut::Output, LockError>> + use<K, F, Fut>
    where
        K: IntoResources,
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        self.lock(resource).using(routine)
    }

    /// Like [`using`](Self::using), for a routine with errors of its own.
    ///
    /// # Errors
    /// As [`LockRequest::try_using`].
    ///
    /// # Cancel safety
    /// As [`using`](Self::using).
    pub fn try_using<K, F, Fut, T, E>(
        &self,
        resource: K,
        routine: F,
    ) -> impl Future<Output = Result<T, E>> + use<K, F, Fut, T, E>
    where
        K: IntoResources,
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: From<LockError>,
    {
        self.lock(resource).try_using(routine)
    }

    /// Who holds a resource, since when and for how much longer; `None`: nobody does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
    /// assert!(redlock.inspect("key1").await?.is_none());
    /// let _lock = redlock.lock("key1").acquire().await?;
    /// let found = redlock.inspect("key1").await?.expect("it is held");
    /// println!("held by {} since {:?}", found.holder, found.since);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LockError::Unavailable`] when no quorum of nodes answered, [`LockError::InvalidKey`],
    /// [`LockError::Closed`].
    ///
    /// # Cancel safety
    /// It only reads.
    pub fn inspect<K: IntoResources>(
        &self,
        resource: K,
    ) -> impl Future<Output = Result<Option<Inspection>, LockError>> + use<K> {
        let core = Arc::clone(&self.core);
        async move { inspect::inspect(&core, resource).await }
    }

    /// How many resources this engine holds now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.core.queues.held()
    }

    /// Stops taking requests, lets bodies of `using` that run finish (for 10 seconds, unless
    /// configured otherwise), releases what is still held, and closes the connections.
    ///
    /// # Cancel safety
    /// No new lock is taken once it has been polled; the rest goes on only while it is polled.
    pub fn shutdown(&self) -> impl Future<Output = ()> + use<> {
        let core = Arc::clone(&self.core);
        async move { core.close().await }
    }
}

impl fmt::Debug for Redlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redlock")
            .field("kind", &self.kind)
            .field("nodes", &self.core.nodes.list())
            .finish_non_exhaustive()
    }
}
