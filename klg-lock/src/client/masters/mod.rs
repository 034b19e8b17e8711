//! A supervised link to each master of a cluster, for what a server pushes to its own clients only.
//!
//! The `redis` crate's cluster connection delivers pushes too, but opens connections to servers it
//! is sent on to by itself, and commands go over them before anybody could ask them to announce
//! changes. Here a change of the cluster counts as the loss of everything: the listener hears of a
//! connection only when every master has one that is set up.

mod learn;
mod told;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use self::told::Told;
use super::backoff::Backoff;
use super::endpoint::{Address, Endpoint};
use super::handshake::Mode;
use super::layout::Layout;
use super::link::Link;
use super::options::{LinkOptions, Listener};
use crate::error::{Error, NodeError};
use crate::slot::key_slot;
use crate::sync::lock;

/// The masters are not asked who owns what more often than this.
const LEARN_AFTER: Duration = Duration::from_millis(50);

/// The links to the masters of one cluster.
///
/// Which servers are masters is asked for every [`ping_interval`](LinkOptions::ping_interval), and
/// at once when a connection is lost. A server that becomes one in between is heard after that.
pub(crate) struct Masters {
    core: Arc<Core>,
    task: AbortHandle,
}

struct Core {
    this: Weak<Core>,
    endpoint: Endpoint,
    /// Those of each link, except for the listener.
    options: LinkOptions,
    listener: Arc<dyn Listener>,
    state: Mutex<State>,
    learn: Notify,
    wanted: AtomicBool,
}

#[derive(Default)]
struct State {
    members: Vec<Member>,
    /// Who owns which slot, as was told last.
    layout: Layout,
    told: Told,
    /// Somebody saw that the layout is out of date.
    doubted: bool,
    /// How many members there have been.
    count: u64,
}

struct Member {
    id: u64,
    address: Address,
    /// `None`: being opened.
    link: Option<Link>,
    hearing: Told,
    /// What the master told last.
    view: Option<Layout>,
}

impl Masters {
    /// Connects to every master of a cluster; `listener` is the one in `options`' place.
    ///
    /// # Errors
    ///
    /// [`Error::Redis`] for what waiting does not mend; with
    /// [`require_connection`](LinkOptions::require_connection), also for what it does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        options: LinkOptions,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, Error> {
        let lazy = options.lazy;
        let core = Arc::new_cyclic(|this| Core {
            this: this.clone(),
            endpoint: endpoint.clone(),
            options: LinkOptions {
                mode: Mode::Cluster,
                lazy: false,
                require_connection: false,
                ..options.clone()
            },
            listener,
            state: Mutex::default(),
            learn: Notify::new(),
            wanted: AtomicBool::new(!lazy),
        });
        if !lazy && let Err(error) = core.learn().await {
            if !error.kind().is_transient() || options.require_connection {
                return Err(Error::Redis {
                    client: options.name,
                    server: endpoint.label().into(),
                    error,
                });
            }
            core.missing(&error);
            core.learn.notify_one();
        }
        let task = tokio::spawn(keep_learning(core.clone())).abort_handle();
        Ok(Self { core, task })
    }

    /// The link to the master that owns a key, if it is heard.
    pub(crate) fn of(&self, key: &str) -> Option<Link> {
        self.want();
        let state = lock(&self.core.state);
        let owner = state.layout.owner(key_slot(key))?;
        let mut members = state.members.iter();
        let member = members.find(|member| member.address == *owner)?;
        let heard = state.told == Told::Hearing;
        member.link.clone().filter(|_| heard)
    }

    /// Connects, where that was put off until somebody asks for it.
    pub(crate) fn want(&self) {
        if !self.core.wanted.swap(true, Ordering::AcqRel) {
            self.core.learn.notify_one();
        }
    }

    /// A master has sent a request elsewhere: nothing is trusted until all of them have been asked.
    pub(crate) fn doubt(&self) {
        let mut state = lock(&self.core.state);
        state.doubted = true;
        self.core.judge(&mut state);
        self.core.learn.notify_one();
    }

    /// Closes the links.
    ///
    /// # Cancel safety
    ///
    /// No link is made anew after the first poll.
    pub(crate) async fn close(&self) {
        self.task.abort();
        let members = {
            let mut state = lock(&self.core.state);
            self.core.tell(&mut state, Told::Lost);
            std::mem::take(&mut state.members)
        };
        let links = members.iter().filter_map(|member| member.link.as_ref());
        join_all(links.map(Link::close)).await;
    }
}

/// Runs until the links are dropped or closed.
async fn keep_learning(core: Arc<Core>) {
    let mut backoff = Backoff::new();
    loop {
        let _ = timeout(core.options.ping_interval, core.learn.notified()).await;
        if !core.wanted.load(Ordering::Acquire) {
            continue;
        }
        sleep(LEARN_AFTER).await;
        match core.learn().await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                core.missing(&error);
                sleep(backoff.next()).await;
                core.learn.notify_one();
            }
        }
    }
}

impl Core {
    fn missing(&self, error: &NodeError) {
        tracing::warn!(client = %self.options.name, server = %self.endpoint, %error, "the masters of the cluster cannot be listened to, changes are not announced");
    }
}

impl Drop for Masters {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Masters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.core.state);
        let members = state.members.iter().map(|m| (&m.address, m.hearing));
        f.debug_struct("Masters")
            .field("server", &self.core.endpoint.label())
            .field("members", &Vec::from_iter(members))
            .finish()
    }
}
