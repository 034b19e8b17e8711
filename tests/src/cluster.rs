//! Three masters that share the slots of one Redis Cluster.

use std::collections::{BTreeMap, BTreeSet};

use crate::poll::wait_until;
use crate::{Authority, Control, Options, Server};

/// A running cluster: three masters, every slot covered.
#[derive(Debug)]
pub struct Cluster {
    masters: [Server; 3],
    tls: bool,
}

const SLOTS: u16 = 16_384;

impl Cluster {
    /// Starts the masters and returns when each of them says that the cluster is whole.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Options::default(), false)
    }

    /// The same under TLS, between the masters too, with certificates of this authority.
    #[must_use]
    pub fn start_tls(authority: &Authority) -> Self {
        let options = Options::default().tls(authority, false);
        Self::start_with(options.set("tls-cluster", "yes"), true)
    }

    fn start_with(options: Options, tls: bool) -> Self {
        let masters = member(options).start_many::<3>();
        let cluster = Self { masters, tls };
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
                let port = cluster.client_port(other).to_string();
                control.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port]);
            }
        }
        wait_until("the cluster is whole", || {
            cluster.masters.iter().all(|master| {
                let mut control = master.control();
                let state: String = control.ask(&["CLUSTER", "INFO"]);
                let nodes: String = control.ask(&["CLUSTER", "NODES"]);
                state.contains("cluster_state:ok")
                    && state.contains("cluster_slots_ok:16384")
                    && nodes.lines().count() == 3
                    && !nodes.contains("handshake")
            })
        });
        let _ = cluster.settled();
        cluster
    }

    /// `redis+cluster://a,b,c`, or `rediss+cluster://..` under TLS.
    #[must_use]
    pub fn uri(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let addresses = self.masters.each_ref().map(|master| {
            let port = self.client_port(master);
            format!("127.0.0.1:{port}")
        });
        format!("{scheme}+cluster://{}", addresses.join(","))
    }

    /// The port by which the masters know each other, and clients them.
    fn client_port(&self, server: &Server) -> u16 {
        if self.tls {
            server.tls_port()
        } else {
            server.port()
        }
    }

    /// Starts a replica of one master, and returns when it is in step and every master knows it.
    #[must_use]
    pub fn add_replica(&self, of: usize) -> Server {
        let replica = member(Options::default())
            // However long it has been without its master, it is good enough to take over.
            .set("cluster-replica-validity-factor", 0)
            .start();
        let master = self.id(of);
        let mut control = replica.control();
        let port = self.client_port(&self.masters[of]).to_string();
        control.ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port]);
        wait_until("the replica knows its master", || {
            control
                .try_ask::<()>(&["CLUSTER", "REPLICATE", &master])
                .is_ok()
        });
        let id: String = control.ask(&["CLUSTER", "MYID"]);
        wait_until("everybody knows the replica", || {
            let known = (0..3).all(|index| {
                let nodes: String = self.control(index).ask(&["CLUSTER", "NODES"]);
                let mut lines = nodes.lines();
                lines.any(|line| line.starts_with(&id) && line.contains(&format!("slave {master}")))
            });
            known && control.is_ready()
        });
        replica
    }

    /// Kills a master, and returns when its replica has taken over for all who are left.
    pub fn fail_over(&self, master: usize, replica: &Server) {
        let slots = self.slots_of(master);
        self.masters[master].kill();
        let mut control = replica.control();
        let id: String = control.ask(&["CLUSTER", "MYID"]);
        wait_until("the replica has taken over", || {
            let left = (0..3).filter(|&index| index != master);
            let mut controls = Vec::from_iter(left.map(|index| self.control(index)));
            controls.push(replica.control());
            controls.iter_mut().all(|control| {
                let info: String = control.ask(&["CLUSTER", "INFO"]);
                let nodes: String = control.ask(&["CLUSTER", "NODES"]);
                let picture = Picture::read(&info, &nodes);
                info.contains("cluster_state:ok")
                    && picture
                        .masters
                        .get(&id)
                        .is_some_and(|(_, its)| *its == slots)
            })
        });
    }

    fn slots_of(&self, master: usize) -> Vec<String> {
        let id = self.id(master);
        self.settled().masters[&id].1.clone()
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
    #[must_use]
    pub fn owner(&self, slot: u16) -> usize {
        let picture = self.settled();
        let owner = picture.owner(slot).expect("every slot has an owner");
        (0..3)
            .find(|&index| self.id(index) == *owner)
            .expect("one of the masters")
    }

    /// Waits until all masters see the same, and returns it.
    ///
    /// A master takes an epoch larger than all that it has *heard of*. A slot given to one that lags behind
    /// would go back to its old owner wherever gossip says that the old owner's epoch is the larger
    /// one, and nobody would ever mend that: nothing may move before everybody knows everything.
    fn settled(&self) -> Picture {
        let mut settled = None;
        wait_until("the masters see the same cluster", || {
            let [first, others @ ..] = [0, 1, 2].map(|index| self.picture(index));
            let agreed = others.iter().all(|other| *other == first);
            settled = (agreed && first.is_stable()).then_some(first);
            settled.is_some()
        });
        settled.expect("waited for")
    }

    fn picture(&self, index: usize) -> Picture {
        let mut control = self.control(index);
        let info: String = control.ask(&["CLUSTER", "INFO"]);
        let nodes: String = control.ask(&["CLUSTER", "NODES"]);
        Picture::read(&info, &nodes)
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
        let port = self.client_port(&self.masters[to]).to_string();
        let keys: Vec<String> =
            control.ask(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        for key in keys {
            control.ask::<String>(&["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
        }
    }

    /// Ends a move: from now on the old owner answers `MOVED`.
    ///
    /// Returns when every master knows the new owner, and knows it by the largest epoch of all:
    /// no packet that the old owner sent before can undo that.
    pub fn end_move(&self, slot: u16, to: usize) {
        self.settled();
        let to_id = self.id(to);
        let words = [
            "CLUSTER",
            "SETSLOT",
            &slot.to_string(),
            "NODE",
            to_id.as_str(),
        ];
        // The new owner first, so that at no time nobody owns the slot.
        let others = (0..3).filter(|&index| index != to);
        for index in std::iter::once(to).chain(others) {
            self.control(index).ask::<()>(&words);
        }
        wait_until(
            "all masters know the new owner by the largest epoch",
            || {
                let picture = self.settled();
                let newest = picture.newest() == Some(&to_id);
                if !newest {
                    self.control(to).ask::<String>(&["CLUSTER", "BUMPEPOCH"]);
                }
                newest && picture.owner(slot) == Some(&to_id)
            },
        );
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

fn member(options: Options) -> Options {
    options
        .set("cluster-enabled", "yes")
        .set("cluster-node-timeout", 2000)
}

/// What one master believes of all of them.
#[derive(PartialEq, Eq)]
struct Picture {
    epoch: u64,
    /// By id: the epoch, and the ranges of slots that are its own.
    masters: BTreeMap<String, (u64, Vec<String>)>,
}

impl Picture {
    fn read(info: &str, nodes: &str) -> Self {
        let epoch = info
            .lines()
            .find_map(|line| line.strip_prefix("cluster_current_epoch:"))
            .expect("a cluster has an epoch");
        let masters = nodes.lines().filter_map(|line| {
            // id address flags master ping-sent pong-received epoch link-state slot..
            let words: Vec<&str> = line.split(' ').collect();
            let slots = words[8..].iter().filter(|word| !word.starts_with('['));
            let slots = slots.map(ToString::to_string).collect();
            let is_master = words[2].contains("master");
            is_master.then(|| (words[0].to_owned(), (number(words[6]), slots)))
        });
        Self {
            epoch: number(epoch),
            masters: masters.collect(),
        }
    }

    /// Whether no two masters have the same epoch, about which they would quarrel.
    fn is_stable(&self) -> bool {
        let epochs: BTreeSet<u64> = self.masters.values().map(|(epoch, _)| *epoch).collect();
        epochs.len() == self.masters.len()
    }

    /// The master with the largest epoch.
    fn newest(&self) -> Option<&String> {
        let newest = self.masters.iter().max_by_key(|(_, (epoch, _))| epoch);
        newest.map(|(id, _)| id)
    }

    fn owner(&self, slot: u16) -> Option<&String> {
        let owns = |ranges: &Vec<String>| {
            ranges.iter().any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                (number(first)..=number(last)).contains(&u64::from(slot))
            })
        };
        let owner = self.masters.iter().find(|(_, (_, ranges))| owns(ranges));
        owner.map(|(id, _)| id)
    }
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect("a number")
}
