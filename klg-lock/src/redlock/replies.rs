//! The answers of one round, as they come in.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use smallvec::SmallVec;

use super::round::USUAL;
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Reply, Vote};

/// The answers of one round as they come in, in any order.
#[derive(Debug)]
pub(super) struct Replies {
    pending: SmallVec<[Option<Reply>; USUAL]>,
    left: usize,
}

impl Replies {
    pub(super) fn new(replies: impl Iterator<Item = Reply>) -> Self {
        let pending: SmallVec<[Option<Reply>; USUAL]> = replies.map(Some).collect();
        let left = pending.len();
        Self { pending, left }
    }

    pub(super) fn none(nodes: usize) -> Self {
        Self {
            pending: (0..nodes).map(|_| None).collect(),
            left: 0,
        }
    }

    pub(super) fn put(&mut self, index: usize, reply: Option<Reply>) {
        if let (Some(slot), Some(reply)) = (self.pending.get_mut(index), reply) {
            self.left += usize::from(slot.replace(reply).is_none());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The nodes that have not answered.
    pub(super) fn missing(&self) -> impl Iterator<Item = usize> {
        let silent = |(index, slot): (usize, &Option<Reply>)| slot.is_some().then_some(index);
        self.pending.iter().enumerate().filter_map(silent)
    }

    pub(super) fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<(usize, Result<Vote, NodeError>)>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        for (index, slot) in self.pending.iter_mut().enumerate() {
            let Some(reply) = slot else { continue };
            if let Poll::Ready(answer) = Pin::new(reply).poll(cx) {
                *slot = None;
                self.left -= 1;
                // A node that goes away without an answer has been closed.
                let answer = answer.unwrap_or_else(|_| Err(closed()));
                return Poll::Ready(Some((index, answer)));
            }
        }
        Poll::Pending
    }

    pub(super) async fn next(&mut self) -> Option<(usize, Result<Vote, NodeError>)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

pub(super) fn closed() -> NodeError {
    NodeError::new(
        NodeErrorKind::Closed,
        "the client was closed before it answered",
    )
}
