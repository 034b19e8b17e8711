//! What the listener is told: of all masters together, from what is heard of each.

use std::sync::Weak;

use redis::{PushInfo, Value};

use super::{Core, State};
use crate::client::options::Listener;
use crate::sync::lock;

/// What the listener knows: of one master, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// There is no connection.
    #[default]
    Lost,
    /// There is one that pushes nothing: the set-up was refused, or it is RESP2.
    Deaf,
    Hearing,
}

impl Core {
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
    pub(super) fn judge(&self, state: &mut State) {
        let all = state.members.iter().map(|member| match member.link {
            Some(_) => member.hearing,
            None => Told::Lost,
        });
        let least = all.min().filter(|_| !state.doubted);
        self.tell(state, least.unwrap_or_default());
    }

    pub(super) fn tell(&self, state: &mut State, what: Told) {
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
pub(super) struct Ear {
    pub(super) core: Weak<Core>,
    pub(super) id: u64,
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
