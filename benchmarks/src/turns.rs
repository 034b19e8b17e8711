//! Turns: who takes part works one after the other, round by round.

use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;

/// Gives everybody a turn in every round, after one to warm up. Whoever fails is left out from
/// there on, and the line that says why is printed.
pub(crate) fn in_turn<E>(
    rounds: u32,
    entrants: &mut Vec<E>,
    name: impl Fn(&E) -> String,
    mut turn: impl FnMut(&mut E, u32) -> Result<()>,
) {
    let begun = Instant::now();
    for round in 0..=rounds {
        progress(&format!(" {round}"));
        // Everybody begins a round once, so that nobody always follows the same neighbour.
        let shift = usize::try_from(round).unwrap_or(0) % entrants.len().max(1);
        entrants.rotate_left(shift);
        let mut failed = Vec::new();
        for entrant in entrants.iter_mut() {
            if let Err(error) = turn(entrant, round) {
                let name = name(entrant);
                progress(&format!("\n  {name} is left out: {error:#}\n"));
                failed.push(name);
            }
        }
        entrants.rotate_right(shift);
        entrants.retain(|entrant| !failed.contains(&name(entrant)));
    }
    progress(&format!(" ({:.0} s)\n", begun.elapsed().as_secs_f64()));
}

/// Says how far it is, on the standard error: the standard output is for results.
pub fn progress(text: &str) {
    let mut error = std::io::stderr().lock();
    // A terminal that has gone away is no reason to stop.
    let _ = write!(error, "{text}").and_then(|()| error.flush());
}
