//! The checker of the random worlds is tested itself: servers that break a rule are found out.

#[allow(
    dead_code,
    unused_imports,
    reason = "the two programs that share it each use a part"
)]
mod sim;

use klg_lock::testing::Rule;
use sim::{Faults, Plan, run};

/// Within how many worlds a broken rule has to show.
const WORLDS: u64 = 30;

/// Worlds that `change` has spoilt: in one of them the checker has to say this.
#[track_caller]
fn found(faults: Faults, nodes: usize, says: &str, change: impl Fn(&mut Plan)) {
    let mut other = Vec::new();
    for seed in 0..WORLDS {
        let mut plan = Plan::new(seed, nodes, faults);
        change(&mut plan);
        let (_, violations) = run(&plan);
        if violations.iter().any(|violation| violation.contains(says)) {
            return;
        }
        other.extend(violations);
    }
    panic!("{says:?} was not said in {WORLDS} worlds, but {other:#?}");
}

#[track_caller]
fn found_out(rule: Rule, nodes: usize, says: &str) {
    found(Faults::Network, nodes, says, |plan| {
        plan.broken = Some(rule)
    });
}

const TWO_HOLDERS: &str = "hold the same at once";
const TOKEN: &str = "token";
const LEFT_BEHIND: &str = "still has";
const ASLEEP: &str = "nobody holds anything while these wait";

#[test]
fn held_keys_that_are_granted() {
    found_out(Rule::HeldIsRefused, 3, TWO_HOLDERS);
}

#[test]
fn keys_that_expire_early() {
    found_out(Rule::TtlIsKept, 1, TWO_HOLDERS);
    found_out(Rule::TtlIsKept, 3, TWO_HOLDERS);
}

#[test]
fn lives_that_are_shortened() {
    found_out(Rule::TtlIsNeverShortened, 3, TWO_HOLDERS);
}

#[test]
fn sets_that_are_taken_in_part() {
    found(Faults::None, 1, TWO_HOLDERS, |plan| {
        plan.resources = 3;
        plan.broken = Some(Rule::AllOrNone);
    });
}

#[test]
fn releases_that_delete_what_is_not_theirs() {
    found_out(Rule::ReleaseComparesValue, 3, TWO_HOLDERS);
}

#[test]
fn releases_that_delete_nothing() {
    found_out(Rule::ReleaseDeletes, 1, LEFT_BEHIND);
}

#[test]
fn acquires_that_come_after_their_release() {
    found_out(Rule::NothingAfterRelease, 3, LEFT_BEHIND);
}

#[test]
fn counters_that_start_anew() {
    found_out(Rule::CounterGoesOn, 3, TOKEN);
}

#[test]
fn raises_that_are_not_stored() {
    found_out(Rule::RaiseIsStored, 3, TOKEN);
}

#[test]
fn reservations_that_overlap() {
    found(Faults::None, 3, TOKEN, |plan| {
        plan.handover = 64;
        plan.resources = 1;
        plan.broken = Some(Rule::ReservationIsWhole);
    });
}

#[test]
fn wake_ups_that_never_come() {
    found(Faults::None, 3, ASLEEP, |plan| plan.silent = true);
}

/// Nothing is said of worlds in which nothing is broken.
#[test]
fn sound_worlds_are_left_in_peace() {
    for seed in 0..WORLDS {
        let plan = Plan::new(seed, 3, Faults::Network);
        let (tally, violations) = run(&plan);
        assert!(violations.is_empty(), "{plan:?}: {violations:#?}");
        assert!(tally.locked > 0);
    }
}
