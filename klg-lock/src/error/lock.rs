//! Why a lock was not given or not kept, and who had it.

use std::fmt;
use std::time::Duration;

use super::{NodeFault, Votes};

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
}
