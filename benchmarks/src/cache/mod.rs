//! C1 to C9: the cache, beside what users write by hand, its peers, and the limits.
//!
//! | workload | what is measured |
//! |---|---|
//! | C1 | a hit in the process |
//! | C2 | a hit on the server, one by one and from 64 tasks |
//! | C3 | a miss: look, load, store |
//! | C4 | a cold key wanted by 4 × 250 callers at once: loads, and when the last one has its answer |
//! | C5 | a hot key that expires every half second, whose load takes 20 ms |
//! | C6 | 100,000 keys by Zipf's law, nine reads to a write |
//! | C7 | the same while the server hangs |
//! | C8 | a change by one process: when another one stops serving the old value from its memory |
//! | C9 | readers, slow loads and writers in four processes on few keys: how often a reader is answered with what was replaced before it asked |
//!
//! Every answer of C6, C7 and C9 is held against its source: see `source.rs`.

pub mod case;
mod order;
pub mod outage;
mod source;
mod subject;
pub mod worker;
mod workloads;
mod zipf;

pub use self::order::CacheOrder;
pub use self::subject::{CacheSubject, NAMES};
pub use self::workloads::{cases, outages};
