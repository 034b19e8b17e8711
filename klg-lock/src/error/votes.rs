//! The nodes that failed, where too few could be asked.

use std::error::Error as StdError;
use std::fmt;

use super::NodeError;

/// One node's failure inside [`LockError::Unavailable`](crate::LockError::Unavailable).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeFault {
    /// The node, as it may be shown (never with credentials).
    pub node: Box<str>,
    /// What it failed with.
    pub error: NodeError,
}

impl NodeFault {
    pub(crate) fn new(node: &str, error: NodeError) -> Self {
        Self {
            node: node.into(),
            error,
        }
    }

    pub(super) fn list(votes: &Votes) -> String {
        let parts: Vec<String> = votes
            .0
            .iter()
            .map(|v| format!("{}: {}", v.node, v.error))
            .collect();
        parts.join("; ")
    }
}

/// The failures behind [`LockError::Unavailable`](crate::LockError::Unavailable), one per node
/// that failed.
#[derive(Clone, Debug)]
pub struct Votes(pub(crate) Box<[NodeFault]>);

impl std::ops::Deref for Votes {
    type Target = [NodeFault];

    fn deref(&self) -> &[NodeFault] {
        &self.0
    }
}

impl fmt::Display for Votes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&NodeFault::list(self))
    }
}

impl StdError for Votes {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .first()
            .map(|vote| &vote.error as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{LockError, NodeErrorKind};

    #[test]
    fn an_outage_keeps_its_cause() {
        let fault = NodeFault::new(
            "redis://a:6379",
            NodeError::new(NodeErrorKind::TimedOut, "no answer within 500ms"),
        );
        let error = LockError::Unavailable {
            resource: "k".into(),
            votes: Votes(Box::new([fault])),
        };
        assert!(
            error
                .to_string()
                .contains("redis://a:6379: no answer within 500ms")
        );
        let source = StdError::source(&error).and_then(StdError::source);
        assert_eq!(
            source.map(ToString::to_string).as_deref(),
            Some("no answer within 500ms")
        );
    }
}
