//! A supervised link to each master of a cluster, for what a server pushes to its own clients only.
//!
//! The `redis` crate's cluster connection delivers pushes too, but opens connections to servers it
//! is sent on to by itself, and commands go over them before anybody could ask them to announce
//! changes. Here a change of the cluster counts as the loss of everything: the listener hears of a
//! connection only when every master has one that is set up.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use redis::{PushInfo, Value};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::dial::Dialer;
use super::endpoint::{Address, Endpoint, Kind};
use super::handshake::Mode;
use super::layout::{self, Layout};
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

/// What the listener knows: of one master, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    /// There is no connection.
    #[default]
    Lost,
    /// There is one that pushes nothing: the set-up was refused, or it is RESP2.
    Deaf,
    Hearing,
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

    /// Asks all masters who they are, acts on it, and connects to those that are new.
    async fn learn(&self) -> Result<(), NodeError> {
        let views = self.ask_members().await;
        let anybody = if views.is_empty() {
            Some(layout::ask_any(&self.dialer(), self.candidates()).await?)
        } else {
            None
        };
        let left = self.apply(views, anybody);
        drop(left);
        self.open_missing().await
    }

    fn dialer(&self) -> Dialer {
        Dialer {
            endpoint: self.endpoint.clone(),
            name: format!("klg-lock:{}", self.options.name).into(),
            timeout: self.options.connect_timeout,
            master: false,
            mode: Mode::Cluster,
            identify: false,
        }
    }

    fn candidates(&self) -> Vec<Address> {
        let state = lock(&self.state);
        let mut all = Vec::from_iter(state.members.iter().map(|m| m.address.clone()));
        if let Kind::Cluster(seeds) = &self.endpoint.kind {
            all.extend(seeds.iter().cloned());
        }
        all
    }

    /// What those masters say that can be reached, by the members' numbers.
    async fn ask_members(&self) -> Vec<(u64, Layout)> {
        let asked: Vec<_> = {
            let state = lock(&self.state);
            let up = state.members.iter().filter(|m| m.hearing != Told::Lost);
            up.filter_map(|m| Some((m.id, m.address.clone(), m.link.clone()?)))
                .collect()
        };
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let question = &question;
        let answers = asked.into_iter().map(|(id, address, link)| async move {
            let reply = link.query(question).await.ok()?;
            Some((id, layout::read_value(reply, &address).ok()?))
        });
        join_all(answers).await.into_iter().flatten().collect()
    }

    /// Takes over what was told; returns the links that lead to no master any more.
    fn apply(&self, views: Vec<(u64, Layout)>, anybody: Option<Layout>) -> Vec<Member> {
        let state = &mut *lock(&self.state);
        let mut owners = HashSet::new();
        let mut news = anybody;
        if let Some(layout) = &news {
            owners.extend(layout.owners().iter().cloned());
        }
        for (id, view) in views {
            owners.extend(view.owners().iter().cloned());
            let Some(member) = state.members.iter_mut().find(|m| m.id == id) else {
                continue;
            };
            if member.view.as_ref() != Some(&view) {
                let first = member.view.is_none();
                member.view = Some(view.clone());
                if !(first && view == state.layout) {
                    news = Some(view);
                }
            }
        }
        let (stay, left): (Vec<_>, Vec<_>) = std::mem::take(&mut state.members)
            .into_iter()
            .partition(|member| owners.remove(&member.address));
        state.members = stay;
        let changed = news.is_some() || !left.is_empty() || !owners.is_empty();
        for address in owners {
            state.count += 1;
            state.members.push(Member {
                id: state.count,
                address,
                link: None,
                hearing: Told::Lost,
                view: None,
            });
        }
        if let Some(news) = news {
            state.layout = news;
        }
        if changed {
            self.tell(state, Told::Lost);
        }
        state.doubted = false;
        self.judge(state);
        left
    }

    /// Connects to masters to which there is no link, and waits for the first attempt of each.
    async fn open_missing(&self) -> Result<(), NodeError> {
        let missing: Vec<_> = {
            let state = lock(&self.state);
            let missing = state.members.iter().filter(|m| m.link.is_none());
            missing.map(|m| (m.id, m.address.clone())).collect()
        };
        let opening = missing.into_iter().map(|(id, address)| async move {
            let options = LinkOptions {
                listener: Some(Arc::new(Ear {
                    core: self.this.clone(),
                    id,
                })),
                ..self.options.clone()
            };
            let link = Link::open(&self.endpoint.at(address), options).await;
            (id, link)
        });
        let mut result = Ok(());
        for (id, link) in join_all(opening).await {
            match link {
                Ok(link) => {
                    let mut state = lock(&self.state);
                    if let Some(member) = state.members.iter_mut().find(|m| m.id == id) {
                        member.link = Some(link);
                    }
                    self.judge(&mut state);
                }
                Err(Error::Redis { error, .. }) => result = Err(error),
                Err(_) => {}
            }
        }
        result
    }

    fn heard(&self, id: u64, hearing: Told) {
        let mut state = lock(&self.state);
        let Some(member) = state.members.iter_mut().find(|m| m.id == id) else {
            return;
        };
        member.hearing = hearing;
        if hearing == Told::Lost {
            // Perhaps it is no master any more.
            self.learn.notify_one();
        }
        self.judge(&mut state);
    }

    /// Tells the listener what is true of all masters together.
    fn judge(&self, state: &mut State) {
        let all = state.members.iter().map(|member| match member.link {
            Some(_) => member.hearing,
            None => Told::Lost,
        });
        let least = all.min().filter(|_| !state.doubted);
        self.tell(state, least.unwrap_or_default());
    }

    fn tell(&self, state: &mut State, what: Told) {
        if state.told == what {
            return;
        }
        if state.told != Told::Lost {
            self.listener.disconnected();
        }
        state.told = what;
        match what {
            Told::Lost => {}
            Told::Deaf => self.listener.connected(false, &[]),
            Told::Hearing => self.listener.connected(true, &[Value::Okay]),
        }
    }
}

/// Listens to one master on behalf of all.
struct Ear {
    core: Weak<Core>,
    id: u64,
}

impl Listener for Ear {
    fn connected(&self, resp3: bool, replies: &[Value]) {
        let set_up = replies.iter().all(|reply| *reply == Value::Okay);
        let hearing = if resp3 && set_up {
            Told::Hearing
        } else {
            Told::Deaf
        };
        if let Some(core) = self.core.upgrade() {
            core.heard(self.id, hearing);
        }
    }

    fn pushed(&self, push: PushInfo) {
        if let Some(core) = self.core.upgrade() {
            core.listener.pushed(push);
        }
    }

    fn disconnected(&self) {
        if let Some(core) = self.core.upgrade() {
            core.heard(self.id, Told::Lost);
        }
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
