//! Three masters that share the slots of one Redis Cluster.

use std::collections::BTreeSet;

use crate::poll::wait_until;
use crate::{Control, Server};

/// A running cluster: three masters, no replicas, every slot covered.
#[derive(Debug)]
pub struct Cluster {
    masters: [Server; 3],
}

const SLOTS: u16 = 16_384;

impl Cluster {
    /// Starts the masters and returns when each of them says that the cluster is whole.
    #[must_use]
    pub fn start() -> Self {
        let masters = Server::with()
            .set("cluster-enabled", "yes")
            .set("cluster-node-timeout", 2000)
            .start_many::<3>();
        let cluster = Self { masters };
        let slots: Vec<String> = (0..SLOTS).map(|slot| slot.to_string()).collect();
        let third = slots.len().div_ceil(3);
        // Epochs first: one that has heard of another does not take one any more.
        for (master, epoch) in cluster.masters.iter().zip(["1", "2", "3"]) {
            let mut control = master.control();
            control.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", epoch]);
        }
        for (master, share) in cluster.masters.iter().zip(slots.chunks(third)) {
            let mut control = master.control();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(share.iter().map(String::as_str));
            control.ask::<()>(&words);
            for other in &cluster.masters {
                let port = other.port().to_string();
                control.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port]);
            }
        }
        wait_until("the cluster is whole", || {
            cluster.masters.iter().all(|master| {
                let mut control = master.control();
                let state: String = control.ask(&["CLUSTER", "INFO"]);
                let slots: String = control.ask(&["CLUSTER", "NODES"]);
                state.contains("cluster_state:ok")
                    && state.contains("cluster_slots_ok:16384")
                    && slots.lines().count() == 3
                    && !slots.contains("handshake")
            })
        });
        cluster
    }

    /// `redis+cluster://a,b,c`.
    #[must_use]
    pub fn uri(&self) -> String {
        let addresses: Vec<String> = self
            .masters
            .iter()
            .map(|master| master.address().to_string())
            .collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// The masters, in the order of the slots they had at the start.
    #[must_use]
    pub fn masters(&self) -> &[Server; 3] {
        &self.masters
    }

    /// The slot of a key, as the servers compute it.
    #[must_use]
    pub fn slot(&self, key: &str) -> u16 {
        self.masters[0].control().ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// The index of the master that owns a slot now, once all of them say the same.
    ///
    /// Right after a move, gossip that was on its way may turn one of them back for a moment.
    #[must_use]
    pub fn owner(&self, slot: u16) -> usize {
        let mut owner = None;
        wait_until("the masters agree on the owner of a slot", || {
            let seen = [0, 1, 2].map(|index| self.owner_seen_by(index, slot));
            owner = seen[0].filter(|_| seen.iter().all(|other| *other == seen[0]));
            owner.is_some()
        });
        owner.expect("waited for")
    }

    fn owner_seen_by(&self, index: usize, slot: u16) -> Option<usize> {
        let nodes: String = self.control(index).ask(&["CLUSTER", "NODES"]);
        let mine = |line: &str| {
            line.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let bounds = (first.parse::<u16>(), last.parse::<u16>());
                matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
            })
        };
        let line = nodes.lines().find(|line| mine(line))?;
        let id = line.split(' ').next()?;
        (0..3).find(|&index| self.id(index) == id)
    }

    /// Begins to move a slot: from now on the old owner answers `ASK` for keys that it lacks.
    pub fn begin_move(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        let (slot, from_id, to_id) = (slot.to_string(), self.id(from), self.id(to));
        self.control(to)
            .ask::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        self.control(from)
            .ask::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    }

    /// Moves the keys that are in a slot now, of a move that was begun.
    pub fn move_keys(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        let mut control = self.control(from);
        let port = self.masters[to].port().to_string();
        let keys: Vec<String> =
            control.ask(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        for key in keys {
            control.ask::<String>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        }
    }

    /// Ends a move: from now on the old owner answers `MOVED`.
    pub fn end_move(&self, slot: u16, to: usize) {
        let (slot, to_id) = (slot.to_string(), self.id(to));
        // The new owner first, so that at no time nobody owns the slot.
        let others = (0..3).filter(|&index| index != to);
        for index in std::iter::once(to).chain(others) {
            self.control(index)
                .ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
        }
    }

    /// Moves a slot and its keys at once.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.begin_move(slot, to);
        self.move_keys(slot, to);
        self.end_move(slot, to);
    }

    /// All keys of all masters.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<String> {
        self.masters
            .iter()
            .flat_map(|master| master.control().keys())
            .collect()
    }

    fn control(&self, index: usize) -> Control {
        self.masters[index].control()
    }

    fn id(&self, index: usize) -> String {
        self.control(index).ask(&["CLUSTER", "MYID"])
    }
}
