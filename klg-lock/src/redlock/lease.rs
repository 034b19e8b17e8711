//! What the nodes granted to this process: local holders use it one after the other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rand::RngExt;

use super::clock::Moment;
use super::fence::{FencingToken, TokenRange};
use super::guard::Hold;
use super::outcome::{Extension, Release};
use super::round::Nodes;
use super::validity::{MIN_TTL, ttl_for};
use crate::error::{LockError, Votes};
use crate::node::Claim;
use crate::sync::lock;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// Shortest pause between two tries of an extension that could not be decided.
const MIN_RETRY: Duration = Duration::from_millis(20);

/// A holder that has kept a lock for so long is one that stays. Most of those who get a busy lock are
/// done by then, and need no extension.
pub(super) const STAY: Duration = Duration::from_millis(5);

/// Longest such pause.
const MAX_RETRY: Duration = Duration::from_secs(2);

/// A grant of a quorum, kept alive by extensions, with the fencing numbers reserved for it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) claim: Arc<Claim>,
    pub(crate) nodes: Arc<Nodes>,
    id: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    valid_until: Moment,
    /// The latest point at which a node can still carry the value.
    gone_by: Moment,
    tokens: TokenRange,
    /// When an extension is due; only while somebody holds it who wants that.
    renew_at: Option<Moment>,
    /// Under which time the keeper knows it.
    scheduled: Option<Moment>,
    holder: Weak<Hold>,
    /// The nodes said that it is over.
    gone: bool,
    /// A node gave it for a short time, without a question, and told nobody else.
    provisional: bool,
    since: Moment,
    handovers: u32,
}

/// What the keeper has to do for a lease that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    Nothing,
    /// Tell the holder that it is over.
    Lose,
    Extend {
        ttl: Duration,
    },
}

/// Why an extension did not succeed.
#[derive(Debug)]
pub(crate) enum NotExtended {
    /// It is over.
    Lost,
    /// Nothing is decided; the old validity goes on.
    Unsure(Votes),
}

impl NotExtended {
    pub(crate) fn into_error(self, resource: &str, held_for: Duration) -> LockError {
        match self {
            Self::Lost => LockError::Lost {
                resource: resource.into(),
                held_for,
            },
            Self::Unsure(votes) => LockError::Unavailable {
                resource: resource.into(),
                votes,
            },
        }
    }
}

impl Lease {
    pub(crate) fn new(
        claim: Arc<Claim>,
        nodes: Arc<Nodes>,
        ttl: Duration,
        since: Moment,
        valid_until: Moment,
        tokens: TokenRange,
    ) -> Self {
        let state = State {
            valid_until,
            gone_by: since + ttl,
            tokens,
            renew_at: None,
            scheduled: None,
            holder: Weak::new(),
            gone: false,
            provisional: false,
            since,
            handovers: 0,
        };
        claim.mark_served();
        Self {
            claim,
            nodes,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(state),
        }
    }

    /// As a node gives it to a waiter: for a short time, so that a waiter that hears of it no more is
    /// soon passed over. A holder that stays has it extended at once.
    pub(crate) fn provisional(self) -> Self {
        lock(&self.state).provisional = true;
        self
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn now(&self) -> Moment {
        self.nodes.clock.now()
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.remaining_at(self.now())
    }

    pub(crate) fn remaining_at(&self, now: Moment) -> Duration {
        let state = lock(&self.state);
        if state.gone {
            Duration::ZERO
        } else {
            state.valid_until.since(now)
        }
    }

    /// Whether its validity has ended by the clock, whatever the nodes said.
    pub(crate) fn has_expired(&self) -> bool {
        self.now() >= lock(&self.state).valid_until
    }

    pub(crate) fn take_token(&self) -> Option<FencingToken> {
        lock(&self.state).tokens.take()
    }

    /// How often it has changed hands, and for how long it has been in this process.
    pub(crate) fn tenure(&self, now: Moment) -> (u32, Duration) {
        let state = lock(&self.state);
        (state.handovers, now.since(state.since))
    }

    pub(crate) fn count_handover(&self) {
        lock(&self.state).handovers += 1;
    }

    pub(crate) fn holder(&self) -> Option<Arc<Hold>> {
        lock(&self.state).holder.upgrade()
    }

    /// Makes `hold` the one that is told about losses. Answers when the keeper has to look.
    pub(crate) fn held_by(&self, hold: &Arc<Hold>, now: Moment) -> Moment {
        let mut state = lock(&self.state);
        state.holder = Arc::downgrade(hold);
        state.renew_at = hold
            .renewal(state.valid_until)
            .map(|_| match state.provisional {
                true => now + STAY,
                false => renewal(now, state.valid_until),
            });
        if state.gone {
            // Nobody was there to be told.
            return now;
        }
        state.next_look(hold)
    }

    /// Nobody holds it any more; the time it was scheduled for, if it was.
    pub(crate) fn let_go(&self) -> Option<Moment> {
        let mut state = lock(&self.state);
        state.holder = Weak::new();
        state.renew_at = None;
        state.scheduled.take()
    }

    /// Remembers under which time the keeper knows it; answers the time before.
    pub(crate) fn schedule(&self, at: Option<Moment>) -> Option<Moment> {
        std::mem::replace(&mut lock(&self.state).scheduled, at)
    }

    /// What is to be done now, and when to look again.
    pub(crate) fn due(&self) -> (Todo, Option<Moment>) {
        let now = self.now();
        let mut state = lock(&self.state);
        let Some(hold) = state.holder.upgrade() else {
            return (Todo::Nothing, None);
        };
        if state.gone || now >= state.valid_until || hold.until().is_some_and(|until| now >= until)
        {
            return (Todo::Lose, None);
        }
        let todo = match (state.renew_at, hold.renewal(state.valid_until)) {
            (Some(at), Some(ttl)) if now >= at => {
                // The answer sets the next time; should there be none, the end is looked at.
                state.renew_at = None;
                // No longer than what makes it good until its bound.
                let drift_factor = self.nodes.drift_factor;
                let left = hold
                    .until()
                    .map_or(ttl, |until| ttl_for(until.since(now), drift_factor));
                Todo::Extend {
                    ttl: ttl.min(left).max(MIN_TTL),
                }
            }
            _ => Todo::Nothing,
        };
        (todo, Some(state.next_look(&hold)))
    }

    /// Runs one extension to its end, healing included; `decided` hears once how it went, and when
    /// the keeper has to look again.
    pub(crate) async fn extend(
        &self,
        ttl: Duration,
        reserve: u64,
        mut decided: impl FnMut(Result<(), NotExtended>, Option<Moment>) + Send,
    ) {
        let (known_end, left, provisional) = {
            let now = self.now();
            let mut state = lock(&self.state);
            // Before anything is sent: a node may carry it out and the answer get lost.
            state.gone_by = state.gone_by.max(now + ttl);
            let provisional = std::mem::take(&mut state.provisional);
            (state.tokens.end(), state.gone_by.since(now), provisional)
        };
        let apply = |extension| {
            let result = self.apply(extension, ttl);
            if provisional {
                // Whoever is the first now has to watch the key, should it be deleted by hand.
                self.nodes.call_first(&self.claim);
            }
            let look = {
                let state = lock(&self.state);
                state.holder.upgrade().map(|hold| state.next_look(&hold))
            };
            decided(result, look);
        };
        self.nodes
            .extend(&self.claim, ttl, left, reserve, known_end, apply)
            .await;
    }

    fn apply(&self, extension: Extension, ttl: Duration) -> Result<(), NotExtended> {
        let now = self.now();
        let mut state = lock(&self.state);
        // A quorum that stands after the running validity has ended counts for nothing: somebody
        // else may have held the lock in between.
        if state.gone || now >= state.valid_until {
            state.gone = true;
            return Err(NotExtended::Lost);
        }
        let holder = state.holder.upgrade();
        let renew = |valid_until| holder.as_ref().and_then(|hold| hold.renewal(valid_until));
        match extension {
            Extension::Extended {
                valid_until,
                tokens,
            } => {
                state.valid_until = state.valid_until.max(valid_until);
                state.gone_by = state.gone_by.max(now + ttl);
                state.tokens = tokens.unwrap_or(state.tokens);
                state.renew_at = renew(state.valid_until).map(|_| renewal(now, state.valid_until));
                Ok(())
            }
            Extension::Gone => {
                state.gone = true;
                Err(NotExtended::Lost)
            }
            Extension::Unsure(votes) => {
                let pause = (state.valid_until.since(now) / 4).clamp(MIN_RETRY, MAX_RETRY);
                state.renew_at = renew(state.valid_until).map(|_| now + pause);
                Err(NotExtended::Unsure(votes))
            }
        }
    }

    /// Deletes the keys on all nodes; queued when this returns.
    pub(crate) fn release(&self, now: Moment) -> impl Future<Output = Release> + Send + use<> {
        let keep_trying = lock(&self.state).gone_by.since(now).max(MIN_TTL);
        self.nodes.release(&self.claim, keep_trying)
    }
}

impl State {
    fn next_look(&self, hold: &Hold) -> Moment {
        let end = hold
            .until()
            .map_or(self.valid_until, |until| until.min(self.valid_until));
        self.renew_at.map_or(end, |renew| renew.min(end))
    }
}

/// When a lock that is valid from `now` until `valid_until` is extended: after a third of that time,
/// a little earlier at random, so that locks taken together are not extended together.
fn renewal(now: Moment, valid_until: Moment) -> Moment {
    let third = valid_until.since(now) / 3;
    now + third.mul_f64(rand::rng().random_range(0.9..1.0))
}
