//! Small pieces of engine and cache on a server in memory, for the micro-benchmarks: no network, no
//! other thread, so that a change of theirs is a change of the code.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use anyhow::Result;
use klg_lock::{Cache, Config, Lock, LockError, Redlock, Registry};
use tokio::runtime::{Builder, Runtime};

/// How often the lock passes from one task to the other in [`Scene::hand_over`].
pub const PASSES: u32 = 100;

/// Engines and a cache, ready.
#[derive(Debug)]
pub struct Scene {
    runtime: Runtime,
    buffer: Redlock,
    mutex: Redlock,
    cache: Cache,
    remote: Cache,
    /// Somebody holds `held`.
    _held: Lock,
    _registries: [Registry; 2],
}

impl Scene {
    /// Sets everything up, and does everything once.
    pub fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let scene = runtime.block_on(async {
            let mut config = Config::default().uri("memory://scene");
            let remote = Registry::builder().config(config.clone()).build().await?;
            config.cache.l1.enabled = true;
            let registry = Registry::builder().config(config).build().await?;
            let held = registry.buffer().lock("held").acquire().await?;
            Ok::<_, anyhow::Error>((registry, remote, held))
        });
        let (registry, remote, held) = scene?;
        let scene = Self {
            runtime,
            buffer: registry.buffer(),
            mutex: registry.mutex(),
            cache: registry.cache(),
            remote: remote.cache(),
            _held: held,
            _registries: [registry, remote],
        };
        scene.pair()?;
        scene.using()?;
        scene.two_keys()?;
        scene.hand_over()?;
        scene.refused()?;
        scene.queue()?;
        scene.hit_in_process()?;
        scene.hit_on_server()?;
        Ok(scene)
    }

    /// A free lock, taken and released.
    pub fn pair(&self) -> Result<(), LockError> {
        let pair = async { self.buffer.lock("free").acquire().await?.release().await };
        self.runtime.block_on(pair)
    }

    /// The same by the wrapper.
    pub fn using(&self) -> Result<(), LockError> {
        let using = self.buffer.using("free", async |_lock| ());
        self.runtime.block_on(using)
    }

    /// Two resources at once.
    pub fn two_keys(&self) -> Result<(), LockError> {
        let keys = ["first", "second"];
        let pair = async { self.buffer.lock(keys).acquire().await?.release().await };
        self.runtime.block_on(pair)
    }

    /// Two tasks that want one lock, which passes between them [`PASSES`] times.
    pub fn hand_over(&self) -> Result<(), LockError> {
        let task = async || {
            for _ in 0..PASSES / 2 {
                let lock = self.buffer.lock("wanted").acquire().await?;
                // The other one asks meanwhile.
                tokio::task::yield_now().await;
                lock.release().await?;
            }
            Ok::<_, LockError>(())
        };
        let both = async { tokio::try_join!(task(), task()) };
        self.runtime.block_on(both).map(drop)
    }

    /// A mutex lock that this process holds: refused without asking the server.
    pub fn refused(&self) -> Result<()> {
        let refused = self.runtime.block_on(self.mutex.lock("held").acquire());
        anyhow::ensure!(
            matches!(refused, Err(LockError::Contended { .. })),
            "it was not refused"
        );
        Ok(())
    }

    /// Into the queue of a held lock, and out of it.
    pub fn queue(&self) -> Result<()> {
        let waits = self.runtime.block_on(async {
            let mut acquire = pin!(self.buffer.lock("held").acquire());
            poll_fn(|context| Poll::Ready(acquire.as_mut().poll(context).is_pending())).await
        });
        anyhow::ensure!(waits, "it did not wait");
        Ok(())
    }

    /// A cached value in the process.
    pub fn hit_in_process(&self) -> Result<u64> {
        self.hit(&self.cache)
    }

    /// A cached value on the server, which is in memory here.
    pub fn hit_on_server(&self) -> Result<u64> {
        self.hit(&self.remote)
    }

    fn hit(&self, cache: &Cache) -> Result<u64> {
        let load = || async { Ok::<_, anyhow::Error>(7) };
        self.runtime.block_on(cache.using("value", load))
    }
}
