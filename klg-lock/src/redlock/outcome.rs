//! What one round of requests came to.

use std::time::Duration;

use super::clock::Moment;
use super::fence::TokenRange;
use super::quorum::Tally;
use crate::error::Votes;
use crate::node::Occupied;

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Attempt {
    Acquired {
        /// When it was decided.
        at: Moment,
        valid_until: Moment,
        tokens: TokenRange,
    },
    Refused(Refusal),
    Unavailable(Votes),
}

/// Why an attempt was refused, and when it is worth asking again.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The holder that stands in the way on most nodes.
    pub(crate) holder: Option<Occupied>,
    /// After this long a quorum may be free, unless somebody extends; `None`: never by itself.
    pub(crate) free_in: Option<Duration>,
    /// How many wait ahead in the node's own queue, where that was asked for.
    pub(crate) ahead: Option<u64>,
    /// Whether contenders merely block each other, and nobody holds the lock.
    pub(crate) split: Split,
}

/// Whether a refusal was one contender's against another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// A value may have, or has, a quorum.
    No,
    /// Only nodes that did not answer could give a value its quorum, and some granted this attempt.
    Doubtful,
    /// No value can have a quorum.
    Sure,
}

/// What an extension came to.
#[derive(Debug)]
pub(crate) enum Extension {
    /// The quorum stands; `tokens` where some were asked for.
    Extended {
        valid_until: Moment,
        tokens: Option<TokenRange>,
    },
    /// A quorum no longer carries the value.
    Gone,
    /// Too few answered; the old validity goes on.
    Unsure(Votes),
}

/// What a release came to.
#[derive(Debug)]
pub(crate) enum Release {
    /// A quorum carried the value and deleted it.
    Done,
    /// A quorum answered, but the value was no longer there: the lock had ended before.
    Gone,
    /// No quorum answered in time; the nodes go on being asked in the background.
    Unsure(Votes),
}

pub(super) fn refusal(tally: &Tally, held: &[Occupied]) -> Refusal {
    let (most, holder) = most_common(held);
    // Grants of this attempt are about to be released, and nodes that have not answered may be free;
    // so many more must become free.
    let free = tally.grants() + tally.pending() + tally.failures();
    let needed = tally.quorum().saturating_sub(free).max(1);
    let mut times: Vec<Option<Duration>> = held.iter().map(|occupied| occupied.remaining).collect();
    times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    let free_in = times
        .get(needed.min(times.len()).saturating_sub(1))
        .copied()
        .flatten();
    let ahead = holder.as_ref().and_then(|occupied| occupied.ahead);
    let unheard = tally.failures() + tally.pending();
    let split = if most + unheard < tally.quorum() {
        Split::Sure
    } else if most < tally.quorum() && tally.grants() > 0 {
        Split::Doubtful
    } else {
        Split::No
    };
    Refusal {
        holder,
        free_in,
        ahead,
        split,
    }
}

/// The value that stands on most nodes, and on how many.
pub(super) fn most_common(held: &[Occupied]) -> (usize, Option<Occupied>) {
    let count = |one: &Occupied| held.iter().filter(|other| other.value == one.value).count();
    let best = held.iter().max_by_key(|one| count(one));
    (best.map_or(0, count), best.cloned())
}
