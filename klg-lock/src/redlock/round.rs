//! One round to all nodes: the algorithm's four steps, decided as early as the answers allow.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use smallvec::{SmallVec, smallvec};

use super::clock::{Clock, Moment};
use super::fence::{Agreement, TokenRange};
use super::outcome::{Attempt, Extension, Refusal, Release, Split, most_common, refusal};
use super::quorum::{Ballot, Standing, Tally, quorum};
use super::replies::{Replies, closed};
use super::validity::validity;
use crate::error::{NodeError, NodeErrorKind, NodeFault, Votes};
use crate::node::{Claim, Node, Occupied, Op, Reply, Request, Vote};

/// As many nodes as are asked without a list on the heap.
pub(super) const USUAL: usize = 5;

/// The nodes that vote, and the clock that measures their promises.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// Shared with the releases under way, which may outlive it.
    list: Arc<[Arc<dyn Node>]>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) drift_factor: f64,
    /// How long the confirmation of a release is waited for.
    patience: Duration,
}

impl Nodes {
    pub(crate) fn new(
        list: Vec<Arc<dyn Node>>,
        clock: Arc<dyn Clock>,
        drift_factor: f64,
        patience: Duration,
    ) -> Self {
        Self {
            list: list.into(),
            clock,
            drift_factor,
            patience,
        }
    }

    pub(crate) fn list(&self) -> &[Arc<dyn Node>] {
        &self.list
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.list.len())
    }

    /// Whether a quorum tells by a push when it is worth asking again.
    pub(crate) fn pushes(&self) -> bool {
        self.list.iter().filter(|node| node.pushes()).count() >= self.quorum()
    }

    pub(crate) fn single_slot(&self) -> bool {
        self.list.iter().any(|node| node.single_slot())
    }

    fn ask_all(&self, claim: &Arc<Claim>, op: Op) -> Replies {
        Replies::new(self.list.iter().map(|node| {
            node.submit(Request {
                claim: Arc::clone(claim),
                op,
            })
        }))
    }

    fn ask(&self, index: usize, claim: &Arc<Claim>, op: Op) -> Option<Reply> {
        let node = self.list.get(index)?;
        Some(node.submit(Request {
            claim: Arc::clone(claim),
            op,
        }))
    }

    fn fault(&self, index: usize, error: NodeError) -> NodeFault {
        NodeFault::new(self.list.get(index).map_or("?", |node| node.label()), error)
    }

    /// Acquire, by `op`, as of `start`, which is now: asks every node at once, and has a quorum store the largest fencing number.
    ///
    /// What was granted to an attempt that failed is released before this returns. The caller has
    /// to release the claim when it drops this future, or the lock it got, or a claim with a place
    /// that was refused and stays there.
    pub(crate) async fn acquire(
        &self,
        claim: &Arc<Claim>,
        op: Op,
        ttl: Duration,
        reserve: u64,
        start: Moment,
    ) -> Attempt {
        let mut clean: SmallVec<[bool; USUAL]> = smallvec![false; self.list.len()];
        let attempt = self
            .try_acquire(claim, op, ttl, reserve, start, &mut clean)
            .await;
        // In the order of a node, a claim stays where it is from one question to the next.
        let refused = matches!(attempt, Attempt::Refused(_)) && clean.iter().all(|clean| *clean);
        let stays = refused && claim.place().is_some();
        if !stays && !matches!(attempt, Attempt::Acquired { .. }) {
            claim.mark_released();
            // Granted, late and failed alike; a node that refused holds nothing of this value.
            for (index, _) in clean.iter().enumerate().filter(|(_, clean)| !**clean) {
                drop(self.ask(index, claim, Op::Release { keep_trying: ttl }));
            }
        }
        attempt
    }

    async fn try_acquire(
        &self,
        claim: &Arc<Claim>,
        op: Op,
        ttl: Duration,
        reserve: u64,
        start: Moment,
        clean: &mut [bool],
    ) -> Attempt {
        let mut replies = self.ask_all(claim, op);
        let mut tally = Tally::new(self.list.len());
        let mut ends: SmallVec<[(usize, u64); USUAL]> = SmallVec::new();
        let mut held = Vec::new();
        let mut faults = Vec::new();
        while let Some((index, answer)) = replies.next().await {
            match answer {
                Ok(Vote::Granted { end }) => {
                    ends.push((index, end));
                    tally.count(Ballot::Grant);
                }
                Ok(Vote::Held(occupied)) => {
                    held.push(occupied);
                    if let Some(clean) = clean.get_mut(index) {
                        *clean = true;
                    }
                    tally.count(Ballot::Refusal);
                }
                Ok(Vote::Missing) => tally.count(Ballot::Refusal),
                Err(error) => {
                    faults.push(self.fault(index, error));
                    tally.count(Ballot::Failure);
                }
            }
            match tally.standing() {
                Standing::Open => {}
                Standing::Reached => break,
                Standing::Refused => return Attempt::Refused(refusal(&tally, &held)),
                Standing::Failed => return Attempt::Unavailable(Votes(faults.into())),
            }
        }
        let Some(end) = self.agree(claim, &ends, replies, &mut faults).await else {
            return if self.list.len() - faults.len().min(self.list.len()) >= self.quorum() {
                // Keys vanished between the grant and the raise, or a node that counted failed
                // while a quorum still answers: nobody holds the lock by this.
                Attempt::Refused(Refusal {
                    holder: None,
                    free_in: Some(Duration::ZERO),
                    ahead: None,
                    split: Split::Sure,
                })
            } else {
                Attempt::Unavailable(Votes(faults.into()))
            };
        };
        let at = self.clock.now();
        match validity(ttl, self.drift_factor).map(|valid| start + valid) {
            Some(valid_until) if at < valid_until => Attempt::Acquired {
                at,
                valid_until,
                tokens: TokenRange::ending_at(end, reserve),
            },
            _ => {
                let error = NodeError::new(
                    NodeErrorKind::TimedOut,
                    format!("the nodes took longer to answer than the TTL of {ttl:?} is good for"),
                );
                Attempt::Unavailable(Votes(Box::new([NodeFault::new("quorum", error)])))
            }
        }
    }

    /// Has a quorum store the largest counter among the grants counted; one more round trip, and
    /// only where the nodes disagree. `None`: it could not be had.
    async fn agree(
        &self,
        claim: &Arc<Claim>,
        ends: &[(usize, u64)],
        mut late: Replies,
        faults: &mut Vec<NodeFault>,
    ) -> Option<u64> {
        let mut agreement = Agreement::among(ends.iter().map(|(_, end)| *end));
        let fence = agreement.end;
        let mut raises = Replies::none(self.list.len());
        for (index, counter) in ends {
            if agreement.is_behind(*counter) {
                raises.put(*index, self.ask(*index, claim, Op::Raise { fence }));
            }
        }
        while agreement.stored < self.quorum() {
            // Two kinds of answers may still help: late grants, and raises.
            let (raised, index, answer) = poll_fn(|cx| {
                if let Poll::Ready(Some((index, answer))) = raises.poll_next(cx) {
                    return Poll::Ready(Some((true, index, answer)));
                }
                match late.poll_next(cx) {
                    Poll::Ready(Some((index, answer))) => Poll::Ready(Some((false, index, answer))),
                    Poll::Ready(None) if raises.is_empty() => Poll::Ready(None),
                    _ => Poll::Pending,
                }
            })
            .await?;
            match answer {
                Ok(Vote::Granted { end }) if !agreement.is_behind(end) => agreement.stored += 1,
                Ok(Vote::Granted { .. }) if !raised => {
                    raises.put(index, self.ask(index, claim, Op::Raise { fence }))
                }
                Ok(_) => {}
                Err(error) => faults.push(self.fault(index, error)),
            }
        }
        Some(fence)
    }

    /// Extend: the same quorum, only where the nodes still carry the value, and only before
    /// `valid_until`. `decided` is called the moment the quorum stands; after that the round goes
    /// on to heal nodes that have lost the key, for as long as the others keep it: `left`, or `ttl`
    /// where that is longer.
    pub(crate) async fn extend(
        &self,
        claim: &Arc<Claim>,
        ttl: Duration,
        left: Duration,
        reserve: u64,
        known_end: u64,
        mut decided: impl FnMut(Extension) + Send,
    ) {
        let start = self.clock.now();
        let mut replies = self.ask_all(claim, Op::Extend { ttl, reserve });
        let mut tally = Tally::new(self.list.len());
        let mut ends: SmallVec<[(usize, u64); USUAL]> = SmallVec::new();
        let (mut missing, mut faults) = (Vec::new(), Vec::new());
        while let Some((index, answer)) = replies.next().await {
            match answer {
                Ok(Vote::Granted { end }) => {
                    ends.push((index, end));
                    tally.count(Ballot::Grant);
                }
                Ok(Vote::Missing) => {
                    missing.push(index);
                    tally.count(Ballot::Refusal);
                }
                Ok(Vote::Held(_)) => tally.count(Ballot::Refusal),
                Err(error) => {
                    faults.push(self.fault(index, error));
                    tally.count(Ballot::Failure);
                }
            }
            match tally.standing() {
                Standing::Open => {}
                Standing::Reached => break,
                Standing::Refused if tally.is_refused_for_sure() => {
                    return decided(Extension::Gone);
                }
                // A node that failed may well carry the value: the next try tells.
                Standing::Refused | Standing::Failed => {
                    return decided(Extension::Unsure(Votes(faults.into())));
                }
            }
        }
        let mut fence = known_end;
        let mut tokens = None;
        if reserve > 0 {
            // Late answers are left to the healing below: a raise needs the counted grants alone.
            let late = Replies::none(self.list.len());
            match self.agree(claim, &ends, late, &mut faults).await {
                Some(end) => {
                    fence = end;
                    tokens = Some(TokenRange::ending_at(end, reserve));
                }
                None => return decided(Extension::Unsure(Votes(faults.into()))),
            }
        }
        match validity(ttl, self.drift_factor) {
            Some(valid) => decided(Extension::Extended {
                valid_until: start + valid,
                tokens,
            }),
            None => return decided(Extension::Unsure(Votes(faults.into()))),
        }
        while let Some((index, answer)) = replies.next().await {
            if matches!(answer, Ok(Vote::Missing)) {
                missing.push(index);
            }
        }
        for index in missing {
            // Counts from the next extension on; nobody waits for it.
            let ttl = ttl.max(left);
            drop(self.ask(index, claim, Op::Heal { ttl, fence }));
        }
    }

    /// Release, queued on every node before this returns; the future tells how it went, and does
    /// not wait for nodes that keep silent as long as the nodes themselves keep asking.
    pub(crate) fn release(
        &self,
        claim: &Arc<Claim>,
        keep_trying: Duration,
    ) -> impl Future<Output = Release> + Send + use<> {
        claim.mark_released();
        let mut replies = self.ask_all(claim, Op::Release { keep_trying });
        let mut tally = Tally::new(self.list.len());
        let nodes = Arc::clone(&self.list);
        let patience = self.patience;
        async move {
            let mut faults = Vec::new();
            let fault = |index: usize, error| {
                NodeFault::new(nodes.get(index).map_or("?", |node| node.label()), error)
            };
            let mut silence = std::pin::pin!(tokio::time::sleep(patience));
            loop {
                let next = tokio::select! {
                    biased;
                    next = replies.next() => next,
                    () = &mut silence => {
                        let silent = || NodeError::new(
                            NodeErrorKind::TimedOut,
                            format!("the release was not confirmed within {patience:?}; it goes on being asked"),
                        );
                        faults.extend(replies.missing().map(|index| fault(index, silent())));
                        None
                    }
                };
                let Some((index, answer)) = next else { break };
                match answer {
                    Ok(Vote::Granted { .. }) => tally.count(Ballot::Grant),
                    Ok(Vote::Held(_) | Vote::Missing) => tally.count(Ballot::Refusal),
                    Err(error) => {
                        faults.push(fault(index, error));
                        tally.count(Ballot::Failure);
                    }
                }
                match tally.standing() {
                    Standing::Open => {}
                    Standing::Reached => return Release::Done,
                    Standing::Refused if tally.is_refused_for_sure() => return Release::Gone,
                    // A node that failed may well have carried the value.
                    Standing::Refused | Standing::Failed => {
                        return Release::Unsure(Votes(faults.into()));
                    }
                }
            }
            Release::Unsure(Votes(faults.into()))
        }
    }

    /// Takes or keeps a claim's place in the order that one node keeps; answers how many are ahead.
    pub(crate) async fn stand(
        &self,
        index: usize,
        claim: &Arc<Claim>,
        life: Duration,
    ) -> Result<u64, NodeError> {
        match self.ask(index, claim, Op::Stand { life }) {
            Some(reply) => match reply.await {
                Ok(Ok(Vote::Held(occupied))) => Ok(occupied.ahead.unwrap_or_default()),
                Ok(Ok(_)) => Ok(0),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(closed()),
            },
            None => Err(closed()),
        }
    }

    /// Gives up a claim's place in the order that one node keeps; queued when this returns.
    pub(crate) fn leave(&self, index: usize, claim: &Arc<Claim>, keep_trying: Duration) {
        drop(self.ask(index, claim, Op::Leave { keep_trying }));
    }

    /// Has the first of those who wait for a claim's key ask.
    pub(crate) fn call_first(&self, claim: &Arc<Claim>) {
        drop(self.ask(0, claim, Op::Call));
    }

    /// Asks every node who holds the first key of the claim.
    pub(crate) async fn inspect(&self, claim: &Arc<Claim>) -> Result<Option<Occupied>, Votes> {
        let mut replies = self.ask_all(claim, Op::Inspect);
        let mut tally = Tally::new(self.list.len());
        let (mut held, mut faults) = (Vec::new(), Vec::new());
        while let Some((index, answer)) = replies.next().await {
            match answer {
                Ok(Vote::Held(occupied)) => {
                    held.push(occupied);
                    tally.count(Ballot::Grant);
                }
                Ok(_) => tally.count(Ballot::Grant),
                Err(error) => {
                    faults.push(self.fault(index, error));
                    tally.count(Ballot::Failure);
                }
            }
            // All that answer are heard: a holder needs a quorum of equal values.
            if tally.standing() == Standing::Failed {
                return Err(Votes(faults.into()));
            }
        }
        let (count, holder) = most_common(&held);
        Ok(holder.filter(|_| count >= self.quorum()))
    }
}
