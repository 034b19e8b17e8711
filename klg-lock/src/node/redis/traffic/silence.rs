//! What a server has kept waiting, and for how long yet.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::job::{Job, What};
use super::Traffic;

/// Which kind of command a server has left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node::redis) enum Silence {
    None,
    /// A script may take its time.
    Job,
    /// Not even the question whether it is alive.
    Ping,
}

impl Traffic {
    /// Something was sent while the timer did not watch.
    pub(in crate::node::redis) fn take_watch(&mut self) -> bool {
        std::mem::take(&mut self.watch)
    }

    pub(in crate::node::redis) fn set_drowsy(&mut self) {
        self.drowsy = true;
    }

    /// When the next entry becomes overdue, of those that are not.
    pub(in crate::node::redis) fn next_overdue(&self, now: Instant) -> Option<Instant> {
        self.in_flight
            .iter()
            .map(|entry| entry.overdue)
            .find(|overdue| *overdue > now)
    }

    /// What the server has kept waiting for too long.
    pub(in crate::node::redis) fn silence(&self, now: Instant) -> Silence {
        let mut silence = Silence::None;
        for entry in &self.in_flight {
            if entry.overdue > now {
                break;
            }
            match entry.what {
                What::Ping(_) => return Silence::Ping,
                What::Job(_) | What::Plain(..) | What::Many(_) | What::Asking | What::Subscribe => {
                    silence = Silence::Job;
                }
            }
        }
        silence
    }

    /// Takes out the releases that have been tried for long enough.
    pub(in crate::node::redis) fn expired(&mut self, now: Instant) -> Vec<Job> {
        if self.earliest_end().is_none_or(|end| end > now) {
            return Vec::new();
        }
        let (expired, parked) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|job| job.until <= now);
        self.parked = VecDeque::from_iter::<Vec<Job>>(parked);
        expired
    }

    pub(in crate::node::redis) fn earliest_end(&self) -> Option<Instant> {
        self.parked.iter().map(|job| job.until).min()
    }

    /// Takes out what the server has kept waiting for too long; its reply is still expected.
    pub(in crate::node::redis) fn overdue(&mut self, now: Instant) -> Vec<Job> {
        let mut failed = Vec::new();
        for entry in &mut self.in_flight {
            if entry.overdue > now {
                break;
            }
            let waiting = entry
                .what
                .jobs_mut()
                .iter_mut()
                .filter(|job| job.reply.is_some() && (!job.is_release() || job.until <= now));
            for job in waiting {
                failed.push(Job {
                    request: job.request.clone(),
                    reply: job.reply.take(),
                    until: job.until,
                    form: job.form,
                    repeated: job.repeated,
                    late: job.late,
                    hops: job.hops,
                });
            }
        }
        failed
    }
}
