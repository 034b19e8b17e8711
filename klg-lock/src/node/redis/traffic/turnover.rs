//! What becomes of requests when a connection comes or goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::super::job::Job;
use super::super::lane::closed;
use super::super::script::{Form, Known};
use super::{Hearing, Phase, Traffic};
use crate::client::Writer;
use crate::error::NodeError;

impl Traffic {
    /// Keeps a release for later, or any request that the server asked to repeat.
    pub(in crate::node::redis) fn park(&mut self, mut job: Job) {
        job.form = Form {
            asking: job.form.asking,
            ..Form::default()
        };
        self.parked.push_back(job);
    }

    /// A connection is there.
    pub(in crate::node::redis) fn connected(&mut self, writer: Arc<Writer>) {
        self.connections += 1;
        self.hearing = Hearing::No;
        self.writer = Some(writer);
        self.phase = Phase::Up;
        self.demanded = false;
        self.drowsy = true;
        // The server may be another one, or may have lost what it knew.
        self.prolonged.clear();
        self.forget_scripts();
    }

    /// Sends what was kept for later. Returns what may not be sent any more.
    pub(in crate::node::redis) fn send_parked(&mut self, overdue: Instant) -> Vec<Job> {
        let mut overtaken = Vec::new();
        for job in std::mem::take(&mut self.parked) {
            if job.may_be_sent() {
                self.send(job, overdue);
            } else {
                overtaken.push(job);
            }
        }
        overtaken
    }

    /// Gives away what was kept for later: another server is responsible now.
    #[cfg(feature = "cluster")]
    pub(in crate::node::redis) fn take_parked(&mut self) -> VecDeque<Job> {
        std::mem::take(&mut self.parked)
    }

    /// The connection is gone: releases wait for the next one, everything else fails.
    pub(in crate::node::redis) fn disconnected(&mut self, error: &NodeError) -> Vec<Job> {
        self.writer = None;
        self.writing = false;
        self.out.clear();
        self.phase = Phase::Down(error.clone());
        let mut failed = Vec::new();
        let mut parked = VecDeque::new();
        let unsent = std::mem::take(&mut self.gathered);
        let sent = self
            .in_flight
            .drain(..)
            .flat_map(|entry| entry.what.into_jobs());
        let jobs = sent
            .map(|job| (job, true))
            .chain(unsent.into_iter().map(|job| (job, false)));
        for (mut job, sent) in jobs {
            if job.is_release() && job.reply.is_some() {
                job.repeated |= sent;
                parked.push_back(job);
            } else {
                failed.push(job);
            }
        }
        for job in self.parked.drain(..) {
            if job.is_release() {
                parked.push_back(job);
            } else {
                failed.push(job);
            }
        }
        for job in &mut parked {
            job.form = Form::default();
        }
        self.parked = parked;
        failed
    }

    pub(in crate::node::redis) fn close(&mut self) -> Vec<Job> {
        let mut left = self.disconnected(&closed());
        left.extend(self.parked.drain(..));
        self.phase = Phase::Closed;
        left
    }

    /// The server has lost its scripts.
    pub(in crate::node::redis) fn forget_scripts(&mut self) {
        self.known = Known::default();
    }
}
