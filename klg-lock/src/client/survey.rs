//! Which masters of a cluster a walk through all keys has still to visit, while slots move.
//!
//! Every master is walked through once. Then all are asked what they own: those that have received
//! slots since the question before are walked through again, until a round finds none. A key that
//! was there all the time was seen with its old owner, if it stayed there until that one was walked
//! through, or is with its new owner, which is walked through after that.

use std::collections::{BTreeSet, VecDeque};

use redis::{Pipeline, Value, from_redis_value};

use super::backend::Backend;
use super::endpoint::{Address, Kind};
use super::layout::{self, Layout};
use super::link::Link;
use crate::error::{Error, NodeError, NodeErrorKind};

/// Where a walk stands.
pub(super) struct Survey {
    /// To the cluster as a whole.
    link: Link,
    shards: Vec<Shard>,
    /// Indices of `shards`.
    unvisited: VecDeque<usize>,
    begun: bool,
}

/// One master, and what it last said of itself.
struct Shard {
    address: Address,
    link: Link,
    claim: Claim,
}

/// What a master says that it owns.
#[derive(Clone, Default, PartialEq, Eq)]
struct Claim {
    /// Grows with each slot that it takes over, so that one that goes and comes back is noticed.
    epoch: u64,
    /// Ranges, first and last.
    slots: Vec<(u16, u16)>,
    /// Slots of which it may have some keys already, each with the present owner.
    importing: BTreeSet<String>,
}

impl Survey {
    /// `None`: the backend is no cluster.
    pub(super) fn of(backend: &Backend) -> Option<Self> {
        match backend {
            Backend::Link(link) if backend.is_cluster() => Some(Self {
                link: link.clone(),
                shards: Vec::new(),
                unvisited: VecDeque::new(),
                begun: false,
            }),
            _ => None,
        }
    }

    /// The master to walk through now; `None`: all keys have been seen.
    pub(super) async fn next(&mut self) -> Result<Option<Link>, NodeError> {
        if self.unvisited.is_empty() {
            let seen = self.ask_all().await?;
            let receives = |shard: &Shard| {
                let before = self.shards.iter().find(|old| old.address == shard.address);
                match before {
                    None => true,
                    Some(old) => shard.claim.receives(&old.claim),
                }
            };
            self.unvisited = (0..seen.len())
                .filter(|&index| seen.get(index).is_some_and(receives))
                .collect();
            self.shards = seen;
            if !std::mem::replace(&mut self.begun, true) {
                // What is under way already is told from what comes later by its being unknown.
                for shard in &mut self.shards {
                    shard.claim.importing.clear();
                }
            }
        }
        Ok(self.current().map(|shard| shard.link.clone()))
    }

    /// The present master has been walked through.
    pub(super) fn walked(&mut self) {
        self.unvisited.pop_front();
    }

    /// An error of the present master, which it names.
    pub(super) fn names(&self, error: NodeError) -> NodeError {
        match self.current() {
            Some(shard) => of(&shard.address, error),
            None => error,
        }
    }

    fn current(&self) -> Option<&Shard> {
        self.shards.get(*self.unvisited.front()?)
    }

    /// Asks every server that any of them calls the owner of a slot.
    async fn ask_all(&self) -> Result<Vec<Shard>, NodeError> {
        let dialer = self.link.dialer();
        let mut candidates: Vec<Address> = self.shards.iter().map(|s| s.address.clone()).collect();
        if let Kind::Cluster(seeds) = &dialer.endpoint.kind {
            candidates.extend(seeds.iter().cloned());
        }
        let layout = layout::ask_any(dialer, candidates).await?;
        let mut named: VecDeque<Address> = layout.owners().iter().cloned().collect();
        let mut seen: Vec<Shard> = Vec::new();
        while let Some(address) = named.pop_front() {
            if seen.iter().any(|shard| shard.address == address) {
                continue;
            }
            let (shard, layout) = self
                .ask(&address)
                .await
                .map_err(|error| of(&address, error))?;
            named.extend(layout.owners().iter().cloned());
            seen.push(shard);
        }
        Ok(seen)
    }

    async fn ask(&self, address: &Address) -> Result<(Shard, Layout), NodeError> {
        let known = self.shards.iter().find(|shard| shard.address == *address);
        let link = match known {
            Some(shard) => shard.link.clone(),
            None => self
                .link
                .shard(address)
                .await
                .map_err(|error| match error {
                    Error::Redis { error, .. } => error,
                    other => NodeError::new(NodeErrorKind::Protocol, other.to_string()),
                })?,
        };
        let mut questions = Pipeline::new();
        questions.cmd("CLUSTER").arg("SLOTS");
        questions.cmd("CLUSTER").arg("NODES");
        let mut replies = link
            .pipeline(&questions, link.deadline())
            .await?
            .into_iter();
        let mut reply = || Link::checked(replies.next().unwrap_or(Value::Nil));
        let layout = layout::read_value(reply()?, address)?;
        let nodes: String = from_redis_value(reply()?).map_err(|_| strange())?;
        let shard = Shard {
            address: address.clone(),
            link,
            claim: Claim::read(&nodes).ok_or_else(strange)?,
        };
        Ok((shard, layout))
    }
}

impl Claim {
    /// From the answer to `CLUSTER NODES`.
    fn read(nodes: &str) -> Option<Self> {
        // id address flags master ping-sent pong-received epoch link-state slot..
        let myself = nodes.lines().map(|line| line.split(' '));
        let mut myself = myself
            .map(Vec::from_iter)
            .find(|words| words.get(2).is_some_and(|flags| flags.contains("myself")))?
            .into_iter()
            .skip(6);
        let mut claim = Self {
            epoch: myself.next()?.parse().ok()?,
            ..Self::default()
        };
        for word in myself.skip(1) {
            if word.starts_with('[') {
                // `[slot-<-owner]` comes in, `[slot->-owner]` goes out.
                if word.contains("-<-") {
                    claim.importing.insert(word.to_owned());
                }
                continue;
            }
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            claim.slots.push((first.parse().ok()?, last.parse().ok()?));
        }
        Some(claim)
    }

    /// Whether keys may have come that were not there before.
    fn receives(&self, before: &Self) -> bool {
        self.epoch != before.epoch
            || !self.importing.is_subset(&before.importing)
            || self.slots.iter().any(|range| !before.covers(*range))
    }

    fn covers(&self, (first, last): (u16, u16)) -> bool {
        // Ranges that touch are told as one.
        let within = |&(from, to): &(u16, u16)| from <= first && last <= to;
        self.slots.iter().any(within)
    }
}

/// One server of several is at fault.
fn of(address: &Address, error: NodeError) -> NodeError {
    NodeError::new(error.kind(), format!("{address}: {error}")).with_source(error)
}

fn strange() -> NodeError {
    NodeError::new(
        NodeErrorKind::Protocol,
        "the answer to CLUSTER NODES is none; is a proxy in between?",
    )
}
