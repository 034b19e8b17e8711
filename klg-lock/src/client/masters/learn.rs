//! Learning which servers are masters, and connecting to those that are new.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;

use super::told::{Ear, Told};
use super::{Core, Member};
use crate::client::dial::Dialer;
use crate::client::endpoint::{Address, Kind};
use crate::client::handshake::Mode;
use crate::client::layout::{self, Layout};
use crate::client::link::Link;
use crate::client::options::LinkOptions;
use crate::error::{Error, NodeError};
use crate::sync::lock;

impl Core {
    /// Asks all masters who they are, acts on it, and connects to those that are new.
    pub(super) async fn learn(&self) -> Result<(), NodeError> {
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
}
