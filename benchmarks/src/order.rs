//! What the coordinator says to its workers, and what they answer: one line of JSON each.

use std::path::PathBuf;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Histogram;

/// One piece of work. Every one is bounded, in count and in time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "load", rename_all = "snake_case")]
pub enum Order {
    /// Each task locks and releases a key of its own, again and again.
    Own {
        /// How many tasks.
        tasks: u32,
        /// Most pairs of acquire and release in each task.
        pairs: u32,
        /// For at most this long.
        millis: u64,
        /// Where the keys' names begin.
        key: String,
    },
    /// All tasks, of all processes, want the same key.
    One {
        /// How many tasks in this process.
        tasks: u32,
        /// When all processes begin, by [`monotonic`].
        start: u64,
        /// Nobody asks for the lock any more after this long.
        millis: u64,
        /// How long a holder keeps it, by the timer; 0: not at all.
        hold_micros: u64,
        /// The key.
        key: String,
        /// Where the processes check that they exclude each other; `None`: there is one process.
        ground: Option<PathBuf>,
        /// Tells this process's tasks from those of other processes.
        first: u64,
    },
    /// Takes the key, says so, keeps it, and tells when it began to let it go.
    Hold {
        /// The key.
        key: String,
        /// For how long, by the timer.
        hold_micros: u64,
    },
    /// Takes the key and tells when it had it.
    Wait {
        /// The key.
        key: String,
    },
}

/// What a worker answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// An answer that comes before the order is done: connected, or holding.
    pub early: bool,
    /// For how long the tasks worked, in nanoseconds.
    pub elapsed: u64,
    /// `Own`: what each pair took. `One`: what each wait took.
    pub times: Histogram,
    /// The first of them, and the longest, in nanoseconds.
    pub first: u64,
    /// The longest of them, in nanoseconds.
    pub longest: u64,
    /// How often each task got its lock in time.
    pub counts: Vec<u64>,
    /// How often it was locked altogether, also after the time was over.
    pub total: u64,
    /// What all holds together took, in nanoseconds.
    pub held: u64,
    /// `Hold`: when the release began. `Wait`: when the lock was there. By [`monotonic`].
    pub at: u64,
    /// How often two holders met; of a cache, how often an answer was stale.
    pub violations: u64,
    /// Of a cache: how often a value was loaded.
    pub loads: u64,
    /// What went wrong, the first few.
    pub errors: Vec<String>,
}

impl Report {
    /// Adds what another process has to report of the same order.
    pub(crate) fn merge(&mut self, other: Self) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.times.merge(&other.times);
        self.first = self.first.max(other.first);
        self.longest = self.longest.max(other.longest);
        self.counts.extend(other.counts);
        self.total += other.total;
        self.held += other.held;
        self.violations += other.violations;
        self.loads += other.loads;
        self.errors.extend(other.errors);
    }
}

/// The machine's monotonic clock in nanoseconds, the same in all processes and languages.
#[must_use]
pub(crate) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or_default()
}
