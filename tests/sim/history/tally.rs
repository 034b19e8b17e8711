//! How often each thing happened.

use std::time::Duration;

/// How often each thing happened, so that a test can tell that its worlds were no desert.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub worlds: u64,
    pub asked: u64,
    pub locked: u64,
    pub contended: u64,
    pub timed_out: u64,
    pub unavailable: u64,
    pub lost: u64,
    pub cancelled: u64,
    pub faults: u64,
    /// The longest time in which nobody held anything while somebody waited and everything worked.
    pub longest_idle: Duration,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.worlds += 1;
        self.asked += other.asked;
        self.locked += other.locked;
        self.contended += other.contended;
        self.timed_out += other.timed_out;
        self.unavailable += other.unavailable;
        self.lost += other.lost;
        self.cancelled += other.cancelled;
        self.faults += other.faults;
        self.longest_idle = self.longest_idle.max(other.longest_idle);
    }
}
