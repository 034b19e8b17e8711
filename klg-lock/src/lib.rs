//! Run async functions under a Redis distributed lock.

mod error;
mod node;

pub use error::{Error, Holder, LockError, NodeError, NodeErrorKind, NodeFault, Votes};
