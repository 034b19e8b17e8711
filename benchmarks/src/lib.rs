//! What `klg-lock` costs, beside what users write by hand, its peers, and the limits.
//!
//! ```sh
//! cargo run --release -p klg-lock-benchmarks -- quick      # below 3 minutes
//! cargo run --release -p klg-lock-benchmarks -- all        # about 15 minutes
//! cargo run --release -p klg-lock-benchmarks -- readme     # the last figures on the front page
//! cargo bench -p klg-lock-benchmarks --bench engine        # small pieces: times
//! cargo bench -p klg-lock-benchmarks --bench instructions  # the same: instructions, by Valgrind
//! ```
//!
//! The first two print a table, draw `plots/`, and write `results.json`: one row for each workload,
//! subject and metric, with the median of all rounds and the median of the ratios to `raw` (for
//! caches, to `raw GET` or `moka`) in the same round; `readme` takes them to the front page, and all
//! tables to `RESULTS.md`. They need `redis-server` on the path (or named by `REDIS_SERVER`), and
//! Linux. `all` takes peers in other languages along where node and Python are there; it installs
//! them into `target/peers`.
//!
//! The last two measure pieces of engine and cache without a network, and compare with the run
//! before: criterion by the clock, gungraun by instructions, which come out alike however busy the
//! machine is, so that a change of a few per cent shows. It needs `valgrind` and
//! `cargo install gungraun-runner --version 0.20.0 --locked`, and says so where they are missing.
//!
//! # How it measures
//!
//! A coordinator starts private servers on free ports, and one or more worker processes for each
//! subject, all on the same two processors, or on one where a round trip is what is measured. It
//! gives the workers orders in turn, subject by subject, round by round, after one round to warm
//! up; only one subject works at a time. What the machine does besides thus hits all of them alike,
//! and ratios within a round hold where absolute times do not. Every order is bounded in count and
//! time. Servers and workers end with the coordinator, however that ends.
//!
//! In every contended round the holders check that they exclude each other, by a counter that they
//! read and write apart (in a file, where they are several processes). After every round the keys
//! that are still there are counted. Commands are counted by the servers' `MONITOR` in the first
//! round, which is not timed; processor time is counted by the system.
//!
//! # Whom
//!
//! `raw` is the `redis` crate on one multiplexed connection per node: `SET NX PX`, `EVALSHA`
//! compare-and-delete, random pauses of up to 200 ms between two tries, as users write it by hand.
//! `klg-lock` has its default settings; `using` is the wrapper instead of the guard, `deferred` the
//! same without waiting for the release to be confirmed, `strict` never hands a lock over inside
//! the process. `BLPOP`, `PUBLISH` and `bare TCP` are limits, not locks. `redlock` blocks its
//! thread and `distributed-lock` does not wait for a held lock, so they take part where that does
//! not matter.
//!
//! Of caches, `raw GET` is what a user writes by hand (`GET`; on a miss load and `SET` with a TTL),
//! and for a hit only its bytes; `klg-lock L2` keeps values on the server alone, as by default, `L1`
//! in the process as well; `background` loads what is stale or soon will be in a task of its own.
//! `moka` is the limit of a hit in the process. Every answer of the mixed loads is held against the
//! source of the data, which all processes share: one that is older than a change whose eviction had
//! returned before the question is stale.
//!
//! # Layout
//!
//! | file | noun |
//! |---|---|
//! | `turns.rs` | who works when |
//! | `workloads.rs` | the workloads and their subjects |
//! | `case.rs` | one workload: all subjects, round by round |
//! | `fault.rs` | W7: a node that hangs or dies |
//! | `cache/` | C1 to C9: caches |
//! | `store.rs` | S1 and S2: the store |
//! | `facts/` | W8 to W10: waiters, held locks, attributes, the dependency tree |
//! | `process.rs`, `server.rs`, `machine.rs` | workers and servers seen from the coordinator; processors |
//! | `order.rs` | what coordinator and workers say to each other |
//! | `worker.rs` | a worker's loop and its loads |
//! | `subject/` | what is measured |
//! | `monitor.rs` | what clients send to a server |
//! | `ground.rs` | where holders would meet |
//! | `foreign.rs`, `peers/` | peers in other languages, and their drivers |
//! | `histogram.rs`, `results.rs`, `plot.rs`, `readme.rs` | figures, pictures of them, and both on the front page |
//! | `scenes.rs`, `benches/` | micro-benchmarks |

pub mod cache;
pub mod case;
pub mod facts;
pub mod fault;
pub mod foreign;
mod ground;
mod histogram;
pub mod machine;
mod monitor;
mod order;
pub mod plot;
pub mod process;
pub mod readme;
pub mod results;
pub mod scenes;
mod server;
pub mod store;
mod subject;
pub mod turns;
pub mod worker;
pub mod workloads;

pub use ground::Ground;
pub use histogram::Histogram;
pub use monitor::Monitor;
pub use order::{Order, Report};
pub use server::Server;
pub use subject::{NAMES, Subject};
