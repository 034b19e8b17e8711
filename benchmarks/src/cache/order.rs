//! What the coordinator says to the workers of caches: one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One piece of work. Every one is bounded, in count and in time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "load", rename_all = "snake_case")]
pub enum CacheOrder {
    /// Each task reads a key of its own, which is there, again and again.
    Hits {
        /// How many tasks.
        tasks: u32,
        /// How many hits one look at the clock is for: a hit may be faster than the clock.
        batch: u32,
        /// For this long.
        millis: u64,
        /// Where the keys' names begin.
        key: String,
    },
    /// One task reads a new key each time.
    Misses {
        /// For this long.
        millis: u64,
        /// Where the keys' names begin; no other order has the same.
        key: String,
    },
    /// All callers, of all processes, want one key that is not there.
    Stampede {
        /// How many callers in this process.
        callers: u32,
        /// When they ask, by [`monotonic`](crate::order::monotonic).
        start: u64,
        /// How long a load takes, by the timer.
        load_micros: u64,
        /// The key.
        key: String,
    },
    /// All tasks read one key again and again, which expires now and then.
    Hot {
        /// How many tasks.
        tasks: u32,
        /// For this long.
        millis: u64,
        /// How long a value is good.
        ttl_millis: u64,
        /// How long a load takes, by the timer.
        load_micros: u64,
        /// The key.
        key: String,
    },
    /// Reads and writes of many keys, checked against their source.
    Mix {
        /// How many tasks in this process.
        tasks: u32,
        /// How many keys; the first is the most wanted one.
        keys: u32,
        /// Of a hundred calls, so many change the key; only the task whose key it is does.
        writes: u32,
        /// A load takes up to this long, at random, by the timer.
        load_micros: u64,
        /// When all processes begin.
        start: u64,
        /// For how long they go on.
        millis: u64,
        /// The source.
        source: PathBuf,
        /// Where the keys' names begin.
        key: String,
        /// This process's first task among those of all processes.
        first: u32,
        /// The tasks of all processes.
        all: u32,
    },
    /// Changes one key in the source, evicts it, and tells when the eviction began.
    Change {
        /// The source.
        source: PathBuf,
        /// The key.
        key: String,
    },
    /// Reads one key until its version is at least this one, and tells when it was. Says so when it
    /// has read it for the first time.
    See {
        /// The source.
        source: PathBuf,
        /// The key.
        key: String,
        /// What it waits for.
        version: u64,
    },
}
