//! What a link's users and its supervisor share: the connection there is, and what they tell
//! each other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::fault::{Refusal, server_fault};
use super::health::Monitor;
use super::options::LinkOptions;
use super::transport::Transport;
use crate::error::{NodeError, NodeErrorKind};
use crate::sync::lock;

/// What the link's users and its supervisor share.
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) options: LinkOptions,
    pub(super) monitor: Monitor,
    pub(super) slot: watch::Sender<Slot>,
    signals: Mutex<Signals>,
    /// How many operations wait for a connection.
    waiting: AtomicUsize,
    /// How many operations have been handed to a connection, and not answered.
    pub(super) under_way: Arc<AtomicUsize>,
    /// A lazy link was told to connect.
    wanted: AtomicBool,
    pub(super) signalled: Notify,
}

/// The connection there is.
#[derive(Clone)]
pub(super) enum Slot {
    Down,
    Up(Transport, Generation),
    Closed,
}

/// Counts the connections of one link, so that an error of an old one is not held against the next.
pub(super) type Generation = u64;

/// What users have to say to the supervisor.
#[derive(Default)]
pub(super) struct Signals {
    /// An operation was not answered in time.
    pub(super) suspect: Option<Generation>,
    /// The server says that it is master no longer.
    pub(super) deposed: Option<(Generation, NodeError)>,
    pub(super) close: bool,
}

/// One operation more, for as long as it lives.
pub(super) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(super) fn one_more(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Shared {
    /// Nothing is connected yet.
    pub(super) fn new(endpoint: &Endpoint, options: LinkOptions) -> Self {
        Self {
            dialer: Dialer {
                endpoint: endpoint.clone(),
                name: format!("klg-lock:{}", options.name).into(),
                timeout: options.connect_timeout,
                master: false,
                mode: options.mode,
                identify: false,
            },
            monitor: Monitor::new(&options.name, endpoint.label()),
            slot: watch::Sender::new(Slot::Down),
            signals: Mutex::default(),
            waiting: AtomicUsize::new(0),
            under_way: Arc::default(),
            wanted: AtomicBool::new(false),
            signalled: Notify::new(),
            options,
        }
    }

    /// Connects a lazy link to which nobody sends anything.
    pub(super) fn want(&self) {
        if !self.wanted.swap(true, Ordering::AcqRel) {
            self.signalled.notify_one();
        }
    }

    /// Whether a lazy link is to connect.
    pub(super) fn is_demanded(&self) -> bool {
        self.is_wanted() || self.wanted.load(Ordering::Acquire)
    }

    /// Whether an operation waits for a connection.
    pub(super) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// The connection, or that there will be none; `None`: there is none now.
    pub(super) fn current(&self) -> Option<Result<(Transport, Generation), NodeError>> {
        match &*self.slot.borrow() {
            Slot::Up(transport, generation) => Some(Ok((transport.clone(), *generation))),
            Slot::Closed => Some(Err(closed())),
            Slot::Down => None,
        }
    }

    pub(super) async fn wait(
        &self,
        end: Instant,
        deadline: Duration,
    ) -> Result<(Transport, Generation), NodeError> {
        let _waiting = Counted::one_more(&self.waiting);
        self.signalled.notify_one();
        let mut slot = self.slot.subscribe();
        let arrival = slot.wait_for(|slot| !matches!(slot, Slot::Down));
        match timeout_at(end, arrival).await {
            Ok(Ok(slot)) => match &*slot {
                Slot::Up(transport, generation) => Ok((transport.clone(), *generation)),
                Slot::Down | Slot::Closed => Err(closed()),
            },
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(match self.monitor.last_error() {
                Some(error) => NodeError::new(
                    error.kind(),
                    format!("no connection within {deadline:?}: {error}"),
                )
                .with_source(error),
                None => NodeError::new(
                    NodeErrorKind::Unreachable,
                    format!("no connection within {deadline:?}"),
                ),
            }),
        }
    }

    /// Acts on what an answer says of the server itself.
    pub(super) fn heed(&self, generation: Generation, code: &str, detail: Option<&str>) {
        let refusal = Refusal {
            code,
            detail: detail.unwrap_or_default(),
        };
        if refusal.is_deposed() {
            let error = server_fault(refusal);
            self.signal(|signals| signals.deposed = Some((generation, error)));
        }
    }

    pub(super) fn signal(&self, say: impl FnOnce(&mut Signals)) {
        say(&mut lock(&self.signals));
        self.signalled.notify_one();
    }

    pub(super) fn take_signals(&self) -> Signals {
        let mut signals = lock(&self.signals);
        // Closing is for good.
        let close = signals.close;
        std::mem::replace(
            &mut *signals,
            Signals {
                close,
                ..Signals::default()
            },
        )
    }
}

fn closed() -> NodeError {
    NodeError::new(NodeErrorKind::Closed, "the connection has been closed")
}
