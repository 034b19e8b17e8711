//! A node's failure to answer, and of what kind it is.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What kind of failure a node showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeErrorKind {
    /// No connection could be made, or it broke.
    Unreachable,
    /// It did not answer within the node deadline.
    TimedOut,
    /// It refused the user name or password.
    Unauthorized,
    /// The user lacks the right to a command or key.
    Forbidden,
    /// It is a read-only replica.
    ReadOnly,
    /// It is still loading its data set, or a script keeps it busy.
    Loading,
    /// It is out of memory.
    OutOfMemory,
    /// What answers there does not speak the Redis protocol.
    NotRedis,
    /// It answered something the protocol does not provide for.
    Protocol,
    /// The client has been shut down.
    Closed,
}

impl NodeErrorKind {
    /// Whether waiting and asking again can help: `false` for wrong credentials, missing rights and
    /// servers that are not Redis.
    #[must_use]
    pub fn is_transient(self) -> bool {
        !matches!(
            self,
            Self::Unauthorized | Self::Forbidden | Self::NotRedis | Self::Protocol | Self::Closed
        )
    }
}

/// A node's failure to answer.
#[derive(Clone, Debug)]
pub struct NodeError {
    kind: NodeErrorKind,
    message: Box<str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl NodeError {
    pub(crate) fn new(kind: NodeErrorKind, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> NodeErrorKind {
        self.kind
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for NodeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}
