//! Everything that is measured: this library, what a user writes by hand, the peers, the limits.

mod limits;
mod ours;
mod peers;
mod raw;

use anyhow::{Result, bail};

use self::limits::{BareTcp, Channel, List};
use self::ours::Ours;
use self::peers::{Distributed, Redlock, Rslock};
use self::raw::Raw;

/// One way to lock.
#[derive(Debug)]
pub enum Subject {
    /// The `redis` crate by hand.
    Raw(Raw),
    /// This library.
    Ours(Ours),
    /// The crate `rslock`.
    Rslock(Rslock),
    /// The crate `redlock`, which blocks.
    Redlock(Redlock),
    /// The crate `distributed-lock-redis`.
    Distributed(Distributed),
    /// A token in a list: who pops it holds the lock. The limit of what a server can hand over.
    List(List),
    /// A message to a subscriber: the limit of what a push can do. It locks nothing.
    Channel(Channel),
    /// Bytes to a server and back: the limit of what a request can do. It locks nothing.
    BareTcp(BareTcp),
}

/// The subjects that this program can be itself, by name; the peers in other languages have
/// drivers of their own.
pub const NAMES: &[&str] = &[
    "raw",
    "raw with TCP_NODELAY",
    "klg-lock",
    "klg-lock using",
    "klg-lock deferred",
    "klg-lock strict",
    "rslock",
    "redlock",
    "distributed-lock",
    "BLPOP",
    "PUBLISH",
    "bare TCP",
];

impl Subject {
    /// Connects to all nodes, as the subject's documentation shows, with a TTL of 60 s.
    pub async fn connect(name: &str, uris: &[String]) -> Result<Self> {
        Ok(match name {
            "raw" => Self::Raw(Raw::connect(uris, false).await?),
            "raw with TCP_NODELAY" => Self::Raw(Raw::connect(uris, true).await?),
            "rslock" => Self::Rslock(Rslock::connect(uris)),
            "redlock" => Self::Redlock(Redlock::connect(uris)),
            "distributed-lock" => Self::Distributed(Distributed::connect(uris).await?),
            "BLPOP" => Self::List(List::connect(uris)?),
            "PUBLISH" => Self::Channel(Channel::connect(uris).await?),
            "bare TCP" => Self::BareTcp(BareTcp::connect(uris).await?),
            _ => match name.strip_prefix("klg-lock") {
                Some(variant) => Self::Ours(Ours::connect(variant.trim(), uris).await?),
                None => bail!("there is no subject {name:?}"),
            },
        })
    }

    /// Locks `key`, runs `section`, releases.
    pub async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output: Send> + Send,
    {
        match self {
            Self::Raw(raw) => raw.run(key, section).await,
            Self::Ours(ours) => ours.run(key, section).await,
            Self::Rslock(rslock) => rslock.run(key, section).await,
            Self::Redlock(redlock) => redlock.run(key, section).await,
            Self::Distributed(distributed) => distributed.run(key, section).await,
            Self::List(list) => list.run(key, section).await,
            Self::BareTcp(tcp) => tcp.run(section).await,
            Self::Channel(_) => bail!("a channel locks nothing"),
        }
    }
}
