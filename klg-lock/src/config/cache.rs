//! Section `cache`: how cached values live unless a call says otherwise.

use std::time::Duration;

use serde::Deserialize;

use super::section::section;

section! {
    /// The section `[cache]`: how cached values live unless a call says otherwise.
    CacheConfig in "cache" {
        /// The client whose server keeps the values.
        ///
        /// Default: the default client.
        client: Option<String> = None,

        /// What stands between the prefix and a value's key. No braces.
        ///
        /// Default: `cache:`.
        namespace: String = "cache:".into(),

        /// How long a value is fresh.
        ///
        /// Default: 5 minutes.
        ttl: Duration = Duration::from_secs(300),

        /// By how much of itself a TTL is shortened at random, so that values that were stored
        /// together do not expire together; 0 to below 1.
        ///
        /// Default: 0.1.
        ttl_jitter: f64 = 0.1,

        /// How much longer a value may be served after it is fresh, while one caller loads anew.
        ///
        /// Default: 0, none.
        stale: Duration = Duration::ZERO,

        /// How long a `None` is remembered.
        ///
        /// Default: none, it is loaded anew each time.
        none_ttl: Option<Duration> = None,

        /// How eagerly values that take long to load are refreshed before they expire; 0: never,
        /// above 1: earlier.
        ///
        /// Default: 1, the published optimum.
        beta: f64 = 1.0,

        /// How long callers wait for another's load before they load for themselves.
        ///
        /// Default: 10 s.
        load_timeout: Duration = Duration::from_secs(10),

        /// How long one operation on the server may take before the call goes on without it.
        ///
        /// Default: 250 ms, which a caller that came for speed still bears.
        timeout: Duration = Duration::from_millis(250),

        /// After this many failures in a row the server is left alone for a while.
        ///
        /// Default: 5.
        breaker_failures: u32 = 5,

        /// For how long it is left alone.
        ///
        /// Default: 1 s.
        breaker_pause: Duration = Duration::from_secs(1),

        /// How many values are refreshed in the background at once.
        ///
        /// Default: 64.
        refreshes: u32 = 64,

        /// How values are written.
        ///
        /// Default: MessagePack, smaller and faster than JSON.
        codec: Codec = Codec::default(),

        /// Values of at least this many bytes are compressed.
        ///
        /// Default: none are.
        compress_above: Option<u64> = None,

        /// Values kept in this process.
        l1: L1Config = L1Config::default(),
    }
}

section! {
    /// The section `[cache.l1]`: values kept in this process, in front of the server, which announces
    /// their changes (Redis 6, RESP3). On a cluster every master does, over a connection of its own;
    /// who is master is asked every second, and at once when a connection is lost.
    L1Config in "cache.l1" {
        /// Whether any are.
        ///
        /// Default: `false`: it costs memory, and every process has its own.
        enabled: bool = false,

        /// How much memory they may take, in bytes.
        ///
        /// Default: 64 MiB.
        max_bytes: u64 = 64 * 1024 * 1024,

        /// How long one is kept at most.
        ///
        /// Default: 30 s, which bounds what an invalidation that got lost can do.
        ttl: Duration = Duration::from_secs(30),
    }
}

/// How cached values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// MessagePack: small and fast.
    #[default]
    MessagePack,
    /// JSON: readable by people and other programs.
    Json,
}
