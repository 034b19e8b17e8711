//! What applications test themselves with: servers in memory that fail on command.
//!
//! A registry or an engine on `memory://name` talks to an in-process server, and
//! [`MemoryServer::named`] with the same name scripts what that server does wrong: outages, delays,
//! loss, a clock that steps. Together with tokio's paused time a test of an hour's waiting takes no
//! time and runs the same way each time.

pub use crate::memory::{Delay, Memory, MemoryServer, Rule, Snapshot};
