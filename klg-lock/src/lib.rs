//! Run async functions under a Redis distributed lock.

mod error;
mod memory;
mod node;
mod sync;
#[cfg(any(test, feature = "test-kit"))]
pub mod testing;

pub use error::{Error, Holder, LockError, NodeError, NodeErrorKind, NodeFault, Votes};
