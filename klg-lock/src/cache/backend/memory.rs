//! The operations of a cache on a server in memory: what the scripts do, on its keyspace.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::{Begin, Begun, Sighting, epoch_ttl};
use crate::cache::record::{Nonce, edit, millis, placeholder};
use crate::cache::wake::Wakes;
use crate::error::{NodeError, NodeErrorKind};
use crate::memory::{Keyspace, Link, Micros, News, PushSink, Server, Value};

/// A cache's connection to a server in memory.
#[derive(Debug)]
pub(crate) struct MemoryBackend {
    link: Link,
    timeout: Duration,
    wakes: Arc<Wakes>,
}

impl PushSink for Wakes {
    fn push(&self, news: News) {
        match news {
            News::Changed(Some(key)) => self.wake(&key),
            News::Changed(None) => self.wake_all(),
            News::Message(_) => {}
        }
    }
}

impl MemoryBackend {
    pub(crate) fn new(server: Arc<Server>, timeout: Duration) -> Self {
        let wakes = Arc::new(Wakes::default());
        let link = Link::new(server);
        link.listen(wakes.clone());
        Self {
            link,
            timeout,
            wakes,
        }
    }

    pub(super) fn pushes(&self) -> bool {
        self.link.server().pushes()
    }

    pub(super) fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    pub(super) fn server(&self) -> &str {
        self.link.server().label()
    }

    pub(super) async fn read(&self, key: &str, tags: &[Box<str>]) -> Result<Sighting, NodeError> {
        let key: Box<str> = key.into();
        let tags: Box<[Box<str>]> = tags.into();
        self.run(move |keys| {
            keys.count("GET");
            let mut sighting = see(keys, &key);
            sighting.epochs = tags.iter().map(|tag| epoch(keys, tag)).collect();
            sighting
        })
        .await
    }

    pub(super) async fn watch(&self, key: &str) -> Result<Sighting, NodeError> {
        let key: Arc<str> = key.into();
        self.run(move |keys| {
            keys.count("GET");
            keys.track(&key);
            see(keys, &key)
        })
        .await
    }

    pub(super) async fn epochs(&self, tags: &[Box<str>]) -> Result<Vec<Option<Nonce>>, NodeError> {
        let tags: Box<[Box<str>]> = tags.into();
        self.run(move |keys| tags.iter().map(|tag| epoch(keys, tag)).collect())
            .await
    }

    pub(super) async fn enter(
        &self,
        tags: &Arc<[Box<str>]>,
        lifetime: Duration,
    ) -> Result<Vec<Nonce>, NodeError> {
        let tags = tags.clone();
        self.run(move |keys| tags.iter().map(|tag| enter(keys, tag, lifetime)).collect())
            .await
    }

    pub(super) async fn begin(&self, begin: Begin) -> Result<Begun, NodeError> {
        self.run(move |keys| {
            keys.count("begin");
            let tags = begin.tags.iter();
            let epochs: Vec<_> = tags.map(|tag| enter(keys, tag, begin.lifetime)).collect();
            let begun = start(keys, &begin, epochs.clone());
            begun.unwrap_or_else(|| {
                let mut sighting = see(keys, &begin.key);
                sighting.epochs = epochs.into_iter().map(Some).collect();
                Begun::Other(sighting)
            })
        })
        .await
    }

    pub(super) async fn renew(
        &self,
        key: &str,
        token: Nonce,
        lease: Duration,
    ) -> Result<bool, NodeError> {
        let key: Box<str> = key.into();
        self.run(move |keys| {
            keys.count("renew");
            let Some((mut head, pttl)) = held_by(keys, &key, token) else {
                return false;
            };
            prolong(keys, &key, &mut head, pttl, lease);
            true
        })
        .await
    }

    pub(super) async fn fill(
        &self,
        key: &str,
        token: Nonce,
        entry: Bytes,
        ttl: Duration,
    ) -> Result<bool, NodeError> {
        let key: Box<str> = key.into();
        self.run(move |keys| {
            keys.count("fill");
            if held_by(keys, &key, token).is_none() {
                return false;
            }
            store(keys, &key, &entry, ttl);
            true
        })
        .await
    }

    pub(super) async fn abandon(&self, key: &str, token: Nonce) -> Result<bool, NodeError> {
        let key: Box<str> = key.into();
        self.run(move |keys| {
            keys.count("abandon");
            let Some((mut head, pttl)) = held_by(keys, &key, token) else {
                return false;
            };
            if head.has_value && pttl > head.extra {
                head.free();
                patch(keys, &key, &head, None);
            } else {
                keys.remove(&key);
            }
            true
        })
        .await
    }

    pub(super) async fn put(
        &self,
        entries: &[(Box<str>, Bytes, Duration)],
    ) -> Result<(), NodeError> {
        let entries: Box<[_]> = entries.into();
        self.run(move |keys| {
            for (key, entry, ttl) in &entries {
                keys.count("SET");
                store(keys, key, entry, *ttl);
            }
        })
        .await
    }

    pub(super) async fn delete(&self, names: &[Box<str>]) -> Result<(), NodeError> {
        let names: Box<[Box<str>]> = names.into();
        self.run(move |keys| {
            for name in &names {
                keys.count("DEL");
                keys.remove(name);
            }
        })
        .await
    }

    pub(super) async fn read_many(&self, names: &[Box<str>]) -> Result<Vec<Sighting>, NodeError> {
        let names: Box<[Box<str>]> = names.into();
        self.run(move |keys| {
            keys.count("MGET");
            names.iter().map(|name| see(keys, name)).collect()
        })
        .await
    }

    pub(super) async fn clear(&self, prefix: &str) -> Result<u64, NodeError> {
        let prefix: Box<str> = prefix.into();
        self.run(move |keys| keys.remove_all(&prefix)).await
    }

    /// Runs a command, within the cache's own bound.
    async fn run<R: Send + 'static>(
        &self,
        command: impl Fn(&mut Keyspace) -> R + Send + Sync + 'static,
    ) -> Result<R, NodeError> {
        let answer = self.link.send(None, move |keys| Ok(command(keys)));
        match timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(NodeError::new(
                NodeErrorKind::Unreachable,
                "the server in memory dropped the command",
            )),
            Err(_) => Err(NodeError::new(
                NodeErrorKind::TimedOut,
                format!("no answer within {:?}", self.timeout),
            )),
        }
    }
}

/// Bytes and remaining milliseconds under a key.
fn entry<'a>(keys: &'a mut Keyspace, key: &str) -> Option<(&'a [u8], u64)> {
    let now = keys.clock.now();
    let entry = keys.get(key, now)?;
    let left = entry.expires.map_or(0, |expires| left(expires, now));
    match &entry.value {
        Value::Text(bytes) => Some((bytes, left)),
        // No entry, whatever it is.
        _ => Some((&[], left)),
    }
}

fn left(expires: Micros, now: Micros) -> u64 {
    expires.saturating_sub(now) / 1000
}

fn see(keys: &mut Keyspace, key: &str) -> Sighting {
    entry(keys, key).map_or_else(Sighting::default, |(bytes, pttl)| Sighting {
        pttl: Duration::from_millis(pttl),
        bytes: Some(Bytes::copy_from_slice(bytes)),
        epochs: Vec::new(),
    })
}

fn epoch(keys: &mut Keyspace, tag: &str) -> Option<Nonce> {
    Nonce::parse(entry(keys, tag)?.0)
}

fn enter(keys: &mut Keyspace, tag: &str, lifetime: Duration) -> Nonce {
    let Some(epoch) = epoch(keys, tag) else {
        let epoch = Nonce::fresh();
        store(keys, tag, &epoch.0, epoch_ttl(lifetime));
        return epoch;
    };
    if entry(keys, tag).is_none_or(|(_, pttl)| pttl < millis(lifetime)) {
        let now = keys.clock.now();
        keys.expire(tag, Some(Keyspace::deadline(now, epoch_ttl(lifetime))));
    }
    epoch
}

/// What `begin.lua` does; `None`: something else stands there.
fn start(keys: &mut Keyspace, begin: &Begin, epochs: Vec<Nonce>) -> Option<Begun> {
    let there = entry(keys, &begin.key);
    let there = there.and_then(|(bytes, pttl)| Some((edit::read(bytes)?, pttl)));
    if let Some((mut head, pttl)) = there.filter(|(_, pttl)| *pttl > 0) {
        let alive = head.has_value && pttl > head.extra;
        if head.is_held(pttl) || (alive && Some(head.stamp) != begin.seen) {
            return None;
        }
        if alive && begin.beside {
            head.token = begin.token;
            prolong(keys, &begin.key, &mut head, pttl, begin.lease);
            return Some(Begun::Granted {
                beside: true,
                epochs,
            });
        }
    }
    store(keys, &begin.key, &placeholder(begin.token), begin.lease);
    Some(Begun::Granted {
        beside: false,
        epochs,
    })
}

fn held_by(keys: &mut Keyspace, key: &str, token: Nonce) -> Option<(edit::Head, u64)> {
    let (bytes, pttl) = entry(keys, key)?;
    let head = edit::read(bytes)?;
    (head.token == token).then_some((head, pttl))
}

/// Has the key live as long as the token, from now on for a lease.
fn prolong(keys: &mut Keyspace, key: &str, head: &mut edit::Head, pttl: u64, lease: Duration) {
    let wanted = millis(lease);
    let longer = wanted.saturating_sub(pttl);
    head.extra = head.extra.saturating_add(longer);
    head.floor = pttl.saturating_add(longer).saturating_sub(wanted);
    patch(keys, key, head, (longer > 0).then_some(lease));
}

fn patch(keys: &mut Keyspace, key: &str, head: &edit::Head, ttl: Option<Duration>) {
    let now = keys.clock.now();
    let Some(entry) = keys.get(key, now) else {
        return;
    };
    let (Value::Text(bytes), expires) = (&entry.value, entry.expires) else {
        return;
    };
    let mut bytes = bytes.clone();
    edit::patch(&mut bytes, head);
    let expires = ttl.map_or(expires, |ttl| Some(Keyspace::deadline(now, ttl)));
    keys.set_borrowed(key, Value::Text(bytes), expires);
}

fn store(keys: &mut Keyspace, key: &str, bytes: &[u8], ttl: Duration) {
    let now = keys.clock.now();
    let expires = Keyspace::deadline(now, ttl.max(Duration::from_millis(1)));
    keys.set_borrowed(key, Value::Text(bytes.into()), Some(expires));
}
