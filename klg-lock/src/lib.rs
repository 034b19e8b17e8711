//! Run async functions under a Redis distributed lock.

mod error;
mod memory;
mod node;
mod sync;

pub use error::{Error, Holder, LockError, NodeError, NodeErrorKind, NodeFault, Votes};
