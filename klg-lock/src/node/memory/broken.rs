//! A memory server that breaks a rule of the protocol, to test those who check that it is kept.

use std::sync::Arc;

use super::{Keyspace, carries, execute, look};
use crate::error::NodeError;
use crate::memory::Rule;
use crate::node::{Claim, KeySet, Op, Request, Vote};

/// Carries a request out, against the rule.
pub(super) fn break_rule(
    ks: &mut Keyspace,
    request: &Request,
    rule: Rule,
) -> Result<Vote, NodeError> {
    match (rule, request.op) {
        (Rule::HeldIsRefused, Op::Acquire { .. }) => {
            forget(ks, &request.claim);
            execute(ks, request)
        }
        (Rule::TtlIsKept, op) => execute(ks, &with(request, quartered(op))),
        (Rule::TtlIsNeverShortened, Op::Acquire { ttl, .. } | Op::Extend { ttl, .. }) => {
            let vote = execute(ks, request)?;
            if matches!(vote, Vote::Granted { .. }) {
                let asked = Keyspace::deadline(ks.clock.now(), ttl);
                for key in request.claim.keys.keys() {
                    ks.expire(&key.lock, Some(asked));
                }
            }
            Ok(vote)
        }
        (Rule::AllOrNone, op) => execute(
            ks,
            &Request {
                claim: Arc::new(first_only(&request.claim)),
                op,
            },
        ),
        (Rule::ReleaseComparesValue, Op::Release { .. }) => {
            let vote = execute(ks, request)?;
            forget(ks, &request.claim);
            Ok(vote)
        }
        (Rule::ReleaseDeletes, Op::Release { .. }) => {
            execute(ks, &with(request, Op::Inspect)).map(|vote| match vote {
                Vote::Held(_) => Vote::Granted { end: 0 },
                other => other,
            })
        }
        (Rule::NothingAfterRelease, Op::Release { keep_trying: ttl }) => {
            let vote = execute(ks, request)?;
            let acquire = Op::Acquire { ttl, reserve: 1 };
            execute(ks, &with(request, acquire))?;
            Ok(vote)
        }
        (Rule::CounterGoesOn, Op::Acquire { reserve: end, .. }) => {
            let vote = execute(ks, request)?;
            Ok(match vote {
                Vote::Granted { .. } => Vote::Granted { end },
                other => other,
            })
        }
        (Rule::RaiseIsStored, Op::Raise { fence: end }) => {
            let now = ks.clock.now();
            Ok(match look(ks, &request.claim, now) {
                super::Standing::Own => Vote::Granted { end },
                _ => Vote::Missing,
            })
        }
        (Rule::ReservationIsWhole, Op::Acquire { ttl, .. }) => {
            execute(ks, &with(request, Op::Acquire { ttl, reserve: 1 }))
        }
        _ => execute(ks, request),
    }
}

fn with(request: &Request, op: Op) -> Request {
    Request {
        claim: Arc::clone(&request.claim),
        op,
    }
}

fn quartered(op: Op) -> Op {
    match op {
        Op::Acquire { ttl, reserve } => Op::Acquire {
            ttl: ttl / 4,
            reserve,
        },
        Op::Extend { ttl, reserve } => Op::Extend {
            ttl: ttl / 4,
            reserve,
        },
        other => other,
    }
}

/// Takes away the keys of others.
fn forget(ks: &mut Keyspace, claim: &Claim) {
    let now = ks.clock.now();
    for key in claim.keys.keys() {
        let other = ks.get(&key.lock, now);
        if other.is_some_and(|entry| !carries(&entry.value, claim)) {
            ks.remove(&key.lock);
        }
    }
}

fn first_only(claim: &Claim) -> Claim {
    let keys: Vec<_> = claim.keys.keys().iter().take(1).cloned().collect();
    let offset = claim.keys.offset;
    Claim::new(Arc::new(KeySet::new(keys, offset)), claim.value.clone())
}
