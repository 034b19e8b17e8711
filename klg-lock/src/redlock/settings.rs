//! The settings of one engine, and which of its two kinds of lock is meant.

use std::time::Duration;

use super::holder::program_name;
use super::retry::Retry;
use super::validity::{MAX_TTL, MIN_TTL, validity};
use crate::config::RedlockConfig;
use crate::error::LockError;

/// What one engine does unless a request says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) ttl: Duration,
    pub(crate) max_ttl: Option<Duration>,
    pub(crate) drift_factor: f64,
    pub(crate) node_timeout: Duration,
    pub(crate) auto_extend: bool,
    pub(crate) max_hold: Option<Duration>,
    pub(crate) buffer: Retry,
    /// Most hand-overs in a row, and for how long, before other processes get their chance.
    pub(crate) handover: u32,
    pub(crate) handover_time: Duration,
    pub(crate) deferred_release: bool,
    /// Serve processes in the order in which they asked.
    pub(crate) fair: bool,
    pub(crate) shutdown_grace: Duration,
    pub(crate) service: String,
}

impl From<&RedlockConfig> for Settings {
    fn from(config: &RedlockConfig) -> Self {
        Self {
            ttl: config.ttl,
            max_ttl: config.max_ttl,
            drift_factor: config.drift_factor,
            node_timeout: config.node_timeout,
            auto_extend: config.auto_extend,
            max_hold: config.max_hold,
            buffer: Retry::from(&config.buffer),
            handover: config.handover,
            handover_time: config.handover_time,
            deferred_release: config.deferred_release,
            fair: config.fair,
            shutdown_grace: config.shutdown_grace,
            service: config.service.clone().unwrap_or_else(program_name),
        }
    }
}

/// Which default a request starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Fails at once when the resource is held.
    Mutex,
    /// Waits its turn.
    Buffer,
}

/// What becomes of the routine when exclusivity is lost.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let redlock = klg_lock::Redlock::builder().nodes(["memory://"]).connect().await?;
/// use klg_lock::{LockError, OnLost};
/// use std::time::Duration;
///
/// // Ended by `max_hold` here, so that it needs no outage.
/// let limit = Duration::from_millis(20);
/// let work = redlock.lock("key1").max_hold(limit).using(|_lock| std::future::pending::<()>());
/// assert!(matches!(work.await, Err(LockError::Lost { .. })));
///
/// let signal = redlock.lock("key1").max_hold(limit).on_lost(OnLost::Signal);
/// let work = signal.using(|lock| async move {
///     lock.lost().await; // tidy up, and stop
///     "half done"
/// });
/// assert_eq!(work.await?, "half done");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLost {
    /// It is dropped at its next await, and the caller gets [`LockError::Lost`].
    #[default]
    Cancel,
    /// It goes on; `lock.lost()` resolves, and its own result comes back.
    Signal,
}

/// Refuses TTLs that cannot be kept.
pub(crate) fn check_ttl(
    option: &'static str,
    ttl: Duration,
    drift_factor: f64,
) -> Result<(), LockError> {
    let invalid = |reason: String| LockError::InvalidTtl {
        option,
        reason: reason.into(),
    };
    if ttl < MIN_TTL {
        return Err(invalid(format!(
            "{ttl:?} is too short, give at least {MIN_TTL:?}"
        )));
    }
    if ttl > MAX_TTL {
        return Err(invalid(format!(
            "{ttl:?} is too long, give at most {} days; a lock that must outlive its process needs another mechanism",
            MAX_TTL.as_secs() / 86_400
        )));
    }
    if validity(ttl, drift_factor).is_none() {
        return Err(invalid(format!(
            "{ttl:?} leaves no validity at a drift factor of {drift_factor}"
        )));
    }
    Ok(())
}

/// Refuses bounds that would end a lock before it begins.
pub(crate) fn check_max_hold(max_hold: Duration) -> Result<(), LockError> {
    if max_hold < MIN_TTL {
        return Err(LockError::InvalidTtl {
            option: "max_hold",
            reason: format!("{max_hold:?} is too short, give at least {MIN_TTL:?}").into(),
        });
    }
    Ok(())
}
