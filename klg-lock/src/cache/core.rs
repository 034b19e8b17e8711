//! What all handles of one cache share: its server, its values in the process, its loads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::backend::{Backend, MemoryBackend, RedisBackend};
use super::breaker::Breaker;
use super::flight::Flights;
use super::local::Local;
use super::packing;
use super::record::millis;
use super::repeat::Repeats;
use super::spec::Spec;
use super::stats::Stats;
use crate::client::{Kind, LinkOptions};
use crate::config::{CacheConfig, ClientConfig};
use crate::error::{CacheError, Error, NodeError, NodeErrorKind};
use crate::memory::Server;

/// For how long a load's token is good unless it is renewed: how long others wait for a holder that
/// has died. Loads renew it as they run.
const LEASE: Duration = Duration::from_secs(2);

pub(crate) struct Core {
    /// Tells caches of one process apart.
    pub(crate) id: u64,
    client: Box<str>,
    /// What the keys of entries begin with, and those of tags.
    entries: Box<str>,
    tags: Box<str>,
    pub(crate) backend: Backend,
    pub(crate) local: Option<Local>,
    pub(crate) flights: Arc<Flights>,
    breaker: Breaker,
    pub(crate) repeats: Repeats,
    pub(crate) refreshes: Arc<Semaphore>,
    pub(crate) config: CacheConfig,
    /// What a request asks for unless it says otherwise.
    pub(crate) spec: Spec,
    pub(crate) lease: Duration,
    pub(crate) runtime: Handle,
    pub(crate) stats: Stats,
    closed: AtomicBool,
    /// The longest that an entry written here may live, in milliseconds.
    longest: AtomicU64,
}

impl Core {
    /// Connects a cache to one client's server. Has to be called inside a runtime.
    pub(crate) async fn open(
        name: &str,
        client: &ClientConfig,
        config: &CacheConfig,
    ) -> Result<Arc<Self>, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if config.compress_above.is_some() && !packing::AVAILABLE {
            return Err(Error::config(
                "cache.compress_above is set, but nothing can compress; turn on the feature `zstd` or `lz4` of klg-lock",
            ));
        }
        let endpoint = client.endpoint()?;
        let options = LinkOptions {
            name: name.into(),
            deadline: config.timeout,
            connect_timeout: client.connect_timeout,
            require_connection: client.require_connection,
            lazy: client.lazy,
            ..LinkOptions::default()
        };
        let entries = format!("{}{}", client.prefix, config.namespace);
        let tags = format!("{}tag:{}", client.prefix, config.namespace);
        let memory = match &endpoint.kind {
            Kind::Memory(name) => Some(Server::open(name.as_deref())),
            _ => None,
        };
        let local = if config.l1.enabled {
            let prefixes = (entries.as_str(), tags.as_str());
            let options = options.clone();
            let memory = memory.clone();
            Some(Local::open(&config.l1, &endpoint, options, memory, prefixes).await?)
        } else {
            None
        };
        let backend = match memory {
            Some(server) => Backend::Memory(MemoryBackend::new(server, config.timeout)),
            None => Backend::Redis(RedisBackend::open(&endpoint, options, config.timeout).await?),
        };
        let refreshes = usize::try_from(config.refreshes).unwrap_or(usize::MAX);
        Ok(Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            client: name.into(),
            entries: entries.into(),
            tags: tags.into(),
            backend,
            local,
            flights: Arc::default(),
            breaker: Breaker::new(config.breaker_failures, config.breaker_pause),
            repeats: Repeats::default(),
            refreshes: Arc::new(Semaphore::new(refreshes.min(Semaphore::MAX_PERMITS))),
            spec: Spec::of(config),
            lease: LEASE,
            config: config.clone(),
            runtime: Handle::current(),
            stats: Stats::default(),
            closed: AtomicBool::new(false),
            longest: AtomicU64::new(millis(config.ttl.saturating_add(config.stale))),
        }))
    }

    /// The full key of an entry.
    pub(crate) fn full(&self, key: &str) -> Box<str> {
        let mut full = String::with_capacity(self.entries.len() + key.len());
        full.push_str(&self.entries);
        full.push_str(key);
        full.into()
    }

    /// The full key of a tag.
    pub(crate) fn tag(&self, tag: &str) -> Box<str> {
        format!("{}{tag}", self.tags).into()
    }

    /// The tag that a full key names.
    pub(crate) fn prefixes(&self) -> [&str; 2] {
        [&self.entries, &self.tags]
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Runs an operation of the server, unless that is left alone for now.
    pub(crate) async fn guarded<R>(
        &self,
        writes: bool,
        operation: impl Future<Output = Result<R, NodeError>>,
    ) -> Result<R, NodeError> {
        if self.is_closed() {
            return Err(NodeError::new(
                NodeErrorKind::Closed,
                "the cache has been shut down",
            ));
        }
        if !self.breaker.allows() {
            return Err(NodeError::new(
                NodeErrorKind::Unreachable,
                "the server failed time after time, and is left alone for a moment",
            ));
        }
        let result = operation.await;
        let server = self.backend.server();
        match &result {
            Ok(_) => {
                self.breaker.succeeded(server);
                if writes {
                    self.breaker.written(server);
                }
            }
            Err(error) => self.breaker.failed(server, error),
        }
        result
    }

    /// Runs a write to its end, whatever becomes of the caller.
    pub(crate) async fn owned<R, F>(
        self: &Arc<Self>,
        write: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<R, NodeError>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, NodeError>> + Send + 'static,
    {
        let task = self.runtime.spawn(write(self.clone()));
        task.await.unwrap_or_else(|_| {
            Err(NodeError::new(
                NodeErrorKind::Closed,
                "the runtime of the cache has been shut down",
            ))
        })
    }

    /// Nothing that was read or is being loaded under these full keys is served any more.
    pub(crate) fn void(&self, keys: &[Box<str>]) {
        for key in keys {
            if let Some(local) = &self.local {
                local.void(key);
            }
            self.flights.detach(key);
            self.backend.wakes().wake(key);
        }
    }

    /// This process has changed what a full key holds, of which the server tells only the others.
    pub(crate) fn changed(&self, key: &str) {
        if let Some(local) = &self.local {
            local.void(key);
        }
        self.backend.wakes().wake(key);
    }

    /// Deletes full keys, here and on the server. What the server does not take is repeated.
    pub(crate) async fn delete(self: &Arc<Self>, keys: Vec<Box<str>>) -> Result<(), NodeError> {
        self.owned(|core| async move {
            let result = core.guarded(true, core.backend.delete(&keys)).await;
            if result.is_err() && !core.is_closed() {
                core.repeats.add(&core, &keys, core.longest_from_now());
            }
            core.void(&keys);
            result
        })
        .await
    }

    /// Remembers how long entries may live, for evictions that have to be repeated.
    pub(crate) fn lives(&self, lifetime: Duration) {
        self.longest.fetch_max(millis(lifetime), Ordering::Relaxed);
    }

    pub(crate) fn longest_from_now(&self) -> Instant {
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        let now = Instant::now();
        now.checked_add(longest)
            .unwrap_or(now + Duration::from_secs(3600))
    }

    pub(crate) fn error(&self, error: NodeError) -> CacheError {
        if error.kind() == NodeErrorKind::Closed {
            return CacheError::Closed;
        }
        CacheError::Unavailable {
            client: self.client.clone(),
            server: self.backend.server().into(),
            error,
        }
    }

    /// Closes the connections. Functions go on running, past the cache.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(local) = &self.local {
            local.close().await;
        }
        self.backend.close().await;
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("client", &self.client)
            .field("server", &self.backend.server())
            .field("l1", &self.local)
            .field("loads", &self.flights.count())
            .field("pending_evictions", &self.repeats.count())
            .finish_non_exhaustive()
    }
}
