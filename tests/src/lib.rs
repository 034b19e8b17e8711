//! The harness of the tests: private Redis servers, and the faults that befall them.
//!
//! | file | noun |
//! |---|---|
//! | `engine.rs` | the library's engines on these servers |
//! | `bin/worker.rs` | an application that takes locks |
//! | `port.rs` | a port of 127.0.0.1 that nobody else takes |
//! | `options.rs` | how a server is to be set up |
//! | `server.rs` | one private `redis-server`: start, pause, kill, restart |
//! | `control.rs` | what a test does to, and asks of, the data and clients of a server |
//! | `monitor.rs` | what arrives at a server |
//! | `cluster.rs`, `sentinel.rs` | several servers that work together |
//! | `tls.rs` | a throw-away certificate authority |
//! | `proxy.rs` | a wire that can be cut, held, delayed |
//! | `peer.rs` | something that listens and is no Redis |
//! | `wire.rs` | a raw connection that speaks bytes |
//! | `process.rs` | a second process of the application |
//! | `poll.rs` | cancelling a future at each of its polls; waiting for a condition |

mod cluster;
mod control;
pub mod engine;
mod monitor;
mod options;
mod peer;
pub mod poll;
mod port;
mod process;
mod proxy;
mod sentinel;
mod server;
mod tls;
mod wire;

pub use cluster::Cluster;
pub use control::Control;
pub use monitor::Monitor;
pub use options::Options;
pub use peer::Peer;
pub use port::Port;
pub use process::Process;
pub use proxy::{Proxy, Way};
pub use sentinel::Sentinel;
pub use server::Server;
pub use tls::Authority;
pub use wire::Wire;
