//! Section `redlock`: how locks behave unless a request says otherwise.

use std::time::Duration;

use super::Uri;
use super::section::section;

section! {
    /// The section `[redlock]`: how locks behave unless a request says otherwise.
    RedlockConfig in "redlock" {
        /// What stands between the prefix and the resource in a lock's key. No braces.
        ///
        /// Default: `lock:`, so that locks and other keys do not meet.
        namespace: String = "lock:".into(),

        /// How long nodes keep a lock without an extension; 5 ms to 24 days.
        ///
        /// Default: 60 s: a holder may pause that long without losing its lock, and others wait
        /// that long for one that died.
        ttl: Duration = Duration::from_secs(60),

        /// The longest TTL a request may ask for.
        ///
        /// Default: none.
        max_ttl: Option<Duration> = None,

        /// By how much clocks may drift apart, as a share of the TTL; 0 to below 1.
        ///
        /// Default: 0.01, as in the published algorithm.
        drift_factor: f64 = 0.01,

        /// Whether locks are extended in the background while they are held.
        ///
        /// Default: `true`: work that takes longer than expected keeps its lock.
        auto_extend: bool = true,

        /// Ends every lock after this long, whatever its holder does.
        ///
        /// Default: none.
        max_hold: Option<Duration> = None,

        /// How buffer locks wait.
        buffer: BufferConfig = BufferConfig::default(),

        /// How long one node has to answer one request before it counts as failed. Far below the
        /// TTL, since one that hangs must not use it up.
        ///
        /// Default: 500 ms.
        node_timeout: Duration = Duration::from_millis(500),

        /// How often in a row a lock may go from holder to holder inside this process before other
        /// processes get their chance; 0: never.
        ///
        /// Default: 1024. Each stop costs this process a pause of 1 to 3 ms; the time below is what
        /// bounds how long others wait, this only what bodies shorter than 0.1 ms add up to.
        handover: u32 = 1024,

        /// For how long a lock may go from holder to holder inside this process.
        ///
        /// Default: 100 ms, so that a crowd here is hardly noticed elsewhere.
        handover_time: Duration = Duration::from_millis(100),

        /// What contenders and `inspect` are told the holder is, beside host and process id.
        ///
        /// Default: the program's file name.
        service: Option<String> = None,

        /// Whether a release is answered for before the nodes have answered it.
        ///
        /// Default: `false`: when `release` returns, the lock is free.
        deferred_release: bool = false,

        /// How long a shutdown waits for locks that are still held, before it releases them.
        ///
        /// Default: 10 s, a third of what most orchestrators grant a process.
        shutdown_grace: Duration = Duration::from_secs(10),

        /// Whether processes are served in the order in which they asked, at the price of more
        /// requests.
        ///
        /// Default: `false`.
        fair: bool = false,

        /// Whether a node that may have lost its memory stays out of the vote until every lock it
        /// may have forgotten has ended. Needs [`max_ttl`](field@Self::max_ttl).
        ///
        /// Default: `false`: it makes locks wait for `max_ttl` after each restart of a single node.
        restart_guard: bool = false,
    }
    by hand {
        /// The independent masters that vote on locks. One each; an odd number of them.
        ///
        /// Default: none, which means the default client alone.
        nodes: Vec<Uri> = Vec::new(),
    }
}

impl RedlockConfig {
    /// Sets [`nodes`](field@Self::nodes).
    #[must_use = "returns the changed settings"]
    pub fn nodes<U: Into<Uri>>(mut self, nodes: impl IntoIterator<Item = U>) -> Self {
        self.nodes = nodes.into_iter().map(Into::into).collect();
        self
    }
}

section! {
    /// The section `[redlock.buffer]`: how buffer locks wait.
    BufferConfig in "redlock.buffer" {
        /// Gives up after this long.
        ///
        /// Default: 10 minutes: long enough for any queue that still makes sense to stand in.
        wait: Duration = Duration::from_secs(600),

        /// Gives up after this many tries, the first included; 0: no limit by count.
        ///
        /// Default: 0, since the time is what matters to the caller.
        retry_count: u32 = 0,

        /// The least time between two tries where the servers send no wake-ups.
        ///
        /// Default: 400 ms: people tolerate it, and servers do not notice it.
        retry_delay: Duration = Duration::from_millis(400),

        /// Up to this much is added to each delay at random, so that waiters do not ask in step.
        ///
        /// Default: 400 ms.
        retry_jitter: Duration = Duration::from_millis(400),
    }
}
