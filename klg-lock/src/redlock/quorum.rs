//! When a round is decided: counting grants, refusals and failures.

/// More than half of `nodes`.
pub(crate) const fn quorum(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// What one node's answer counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ballot {
    /// It granted.
    Grant,
    /// It answered, and did not grant.
    Refusal,
    /// It did not answer.
    Failure,
}

/// How a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// More answers are needed.
    Open,
    /// A quorum granted.
    Reached,
    /// No quorum can grant any more, because of answers: somebody stands in the way.
    Refused,
    /// No quorum can grant any more, because too many nodes failed.
    Failed,
}

/// The count of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    nodes: usize,
    grants: usize,
    refusals: usize,
    failures: usize,
}

impl Tally {
    pub(crate) const fn new(nodes: usize) -> Self {
        Self {
            nodes,
            grants: 0,
            refusals: 0,
            failures: 0,
        }
    }

    pub(crate) fn count(&mut self, ballot: Ballot) {
        match ballot {
            Ballot::Grant => self.grants += 1,
            Ballot::Refusal => self.refusals += 1,
            Ballot::Failure => self.failures += 1,
        }
    }

    pub(crate) const fn quorum(&self) -> usize {
        quorum(self.nodes)
    }

    pub(crate) const fn grants(&self) -> usize {
        self.grants
    }

    pub(crate) const fn failures(&self) -> usize {
        self.failures
    }

    /// Whether refusals alone rule a quorum out, whatever the nodes that failed would have answered.
    pub(crate) const fn is_refused_for_sure(&self) -> bool {
        self.nodes.saturating_sub(self.refusals) < self.quorum()
    }

    pub(crate) const fn pending(&self) -> usize {
        self.nodes
            .saturating_sub(self.grants + self.refusals + self.failures)
    }

    /// Decided as early as the answers allow: nobody waits for a slow node.
    pub(crate) const fn standing(&self) -> Standing {
        let quorum = self.quorum();
        if self.grants >= quorum {
            return Standing::Reached;
        }
        if self.grants + self.pending() >= quorum {
            return Standing::Open;
        }
        // Failures alone rule a quorum out: an outage, whatever the others answered. Otherwise at
        // least one refusal was needed for it, so somebody did stand in the way.
        if self.nodes - self.failures < quorum {
            Standing::Failed
        } else {
            Standing::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ballot() -> impl Strategy<Value = Ballot> {
        prop_oneof![
            Just(Ballot::Grant),
            Just(Ballot::Refusal),
            Just(Ballot::Failure)
        ]
    }

    proptest! {
        #[test]
        fn two_quorums_always_share_a_node(nodes in 1_usize..100) {
            prop_assert!(2 * quorum(nodes) > nodes);
            prop_assert!(quorum(nodes) <= nodes);
        }

        #[test]
        fn a_round_is_decided_once_and_early(ballots in prop::collection::vec(ballot(), 1..12)) {
            let mut tally = Tally::new(ballots.len());
            let mut decided = None;
            for ballot in &ballots {
                tally.count(*ballot);
                let standing = tally.standing();
                if let Some(Standing::Reached) = decided {
                    prop_assert_eq!(standing, Standing::Reached);
                } else if let Some(before) = decided {
                    // Impossible stays impossible; only the blame may move as failures come in.
                    prop_assert!(matches!(standing, Standing::Refused | Standing::Failed), "{:?} after {:?}", standing, before);
                }
                if standing != Standing::Open {
                    decided = Some(standing);
                }
            }
            let grants = ballots.iter().filter(|b| **b == Ballot::Grant).count();
            let failures = ballots.iter().filter(|b| **b == Ballot::Failure).count();
            let q = quorum(ballots.len());
            match tally.standing() {
                Standing::Open => prop_assert!(false, "open after all answers"),
                Standing::Reached => prop_assert!(grants >= q),
                Standing::Refused => prop_assert!(grants < q && ballots.contains(&Ballot::Refusal)),
                Standing::Failed => prop_assert!(grants < q && ballots.len() - failures < q),
            }
        }

        #[test]
        fn open_means_that_the_rest_could_turn_it_either_way(ballots in prop::collection::vec(ballot(), 0..8), more in 1_usize..6) {
            let mut tally = Tally::new(ballots.len() + more);
            ballots.iter().for_each(|b| tally.count(*b));
            if tally.standing() == Standing::Open {
                let (mut yes, mut no) = (tally, tally);
                for _ in 0..more {
                    yes.count(Ballot::Grant);
                    no.count(Ballot::Failure);
                }
                prop_assert_eq!(yes.standing(), Standing::Reached);
                prop_assert_ne!(no.standing(), Standing::Reached);
            }
        }
    }

    #[test]
    fn an_even_split_is_lost() {
        let mut tally = Tally::new(4);
        [Ballot::Grant, Ballot::Grant, Ballot::Refusal]
            .into_iter()
            .for_each(|b| tally.count(b));
        assert_eq!(tally.standing(), Standing::Open);
        tally.count(Ballot::Refusal);
        assert_eq!(tally.standing(), Standing::Refused);
    }
}
