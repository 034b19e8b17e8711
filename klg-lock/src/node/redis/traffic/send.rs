//! Encoding requests and writing them, alone or together.

use std::sync::Arc;
use std::time::Instant;

use super::super::job::{Entry, Job, What};
use super::super::lane::overtaken;
use super::super::script::{self, Form, Open, Plain};
use super::{Hearing, Traffic};
use crate::client::resp;
use crate::node::{Channels, Op};

/// How many requests gather before they are written by the caller that comes last: at first so
/// many,
const FEWEST: usize = 4;
/// and so many once the server has something to do. Larger calls cost less; but while they gather,
/// the server has nothing to do, and later on the callers have nothing to do.
const MOST: usize = 12;
/// The more is under way, the longer the server does without: one gathers for so many.
const SHARE: usize = 4;

impl Traffic {
    /// Encodes a job and sees to it that it is written.
    pub(in crate::node::redis) fn send(&mut self, mut job: Job, overdue: Instant) {
        if let (Op::Acquire { .. }, [key]) = (job.request.op, job.request.claim.keys.keys()) {
            job.form.prolong = self.prolonged.is_due(&key.fence);
        }
        // Where slots move, what waits for a key may be elsewhere.
        job.form.passes = self.shares_calls && script::is_queued(&job.request);
        let busy = !self.in_flight.is_empty() || !self.gathered.is_empty() || self.burst > 1;
        if busy && self.plain(&job).is_some() {
            self.gathered.push(job);
            let enough = (self.in_flight.len() / SHARE).clamp(FEWEST, MOST);
            if self.gathered.len() >= enough {
                self.send_gathered(overdue);
                // The server is to work on these while the callers are still at the next ones.
                self.write();
            }
            return self.rouse();
        }
        // In the order in which they came.
        self.send_gathered(overdue);
        self.send_one(job, overdue);
    }

    /// On a server that owns all slots: what it redirects has to be one command.
    fn plain(&self, job: &Job) -> Option<Plain> {
        script::plain(&job.request, job.form).filter(|_| self.shares_calls)
    }

    fn send_one(&mut self, mut job: Job, overdue: Instant) {
        if self.plain(&job) == Some(Plain::Acquire) {
            script::encode_plain_acquire(&mut self.out, &job.request);
            return self.expect(What::Plain(job, None), overdue);
        }
        job.form.whole |= self.known.lacks(&job.request, job.form);
        if job.form.asking {
            resp::command(&mut self.out, &[b"ASKING"]);
            self.expect(What::Asking, overdue);
        }
        let open = match &self.hearing {
            Hearing::Yes(open) => Some(open),
            Hearing::No | Hearing::Asked(_) => None,
        };
        script::encode(&mut self.out, &job.request, job.form, open);
        self.expect(What::Job(job), overdue);
    }

    /// Asks to be told what becomes of the locks that are waited for.
    pub(in crate::node::redis) fn subscribe(&mut self, channels: &Channels, overdue: Instant) {
        // Where slots move, what waits for a key may be elsewhere.
        if !self.shares_calls || !matches!(self.hearing, Hearing::No) {
            return;
        }
        let given = format!("{}:{}", channels.given, self.connections);
        let wanted = format!("{}{}", channels.wanted, channels.process);
        let names: [&[u8]; 3] = [b"SUBSCRIBE", given.as_bytes(), wanted.as_bytes()];
        resp::command(&mut self.out, &names);
        self.hearing = Hearing::Asked(Open {
            given: given.into(),
            wanted: Arc::clone(&channels.wanted),
        });
        self.expect(What::Subscribe, overdue);
    }

    /// The server has confirmed a subscription: the first of its two pushes comes instead of a reply.
    pub(in crate::node::redis) fn subscribed(&mut self) {
        let before = std::mem::replace(&mut self.hearing, Hearing::No);
        self.hearing = match before {
            Hearing::Asked(open) => {
                self.in_flight.pop_front();
                Hearing::Yes(open)
            }
            later => later,
        };
    }

    /// The server has refused it: who waits is woken, and asks.
    pub(in crate::node::redis) fn not_subscribed(&mut self) {
        self.hearing = Hearing::No;
    }

    /// Encodes what has gathered, less what was released meanwhile: the releases first, which can
    /// only make room for the acquires.
    fn send_gathered(&mut self, overdue: Instant) {
        if self.gathered.is_empty() {
            return;
        }
        let gathered = std::mem::take(&mut self.gathered);
        let (mut releases, acquires): (Vec<Job>, Vec<Job>) =
            gathered.into_iter().partition(Job::is_release);
        if releases.len() > 1 {
            self.send_many(releases, overdue);
        } else if let Some(release) = releases.pop() {
            self.send_one(release, overdue);
        }
        for job in acquires {
            if job.may_be_sent() {
                self.send_one(job, overdue);
            } else {
                job.answer(Err(overtaken()));
            }
        }
    }

    /// Sends several releases in one call.
    pub(in crate::node::redis) fn send_many(&mut self, jobs: Vec<Job>, overdue: Instant) {
        let form = Form {
            whole: self.known.lacks_release_many(),
            ..Form::default()
        };
        let requests = jobs.iter().map(|job| &job.request);
        script::encode_release_many(&mut self.out, requests, form);
        self.expect(What::Many(jobs), overdue);
    }

    pub(in crate::node::redis) fn ping(&mut self, now: Instant, overdue: Instant) {
        self.send_gathered(overdue);
        resp::command(&mut self.out, &[b"PING"]);
        self.expect(What::Ping(now), overdue);
    }

    fn expect(&mut self, what: What, overdue: Instant) {
        // Among several, the first would only run ahead of the others, who ask in a moment.
        let alone = self.in_flight.is_empty() && self.burst <= 1;
        self.in_flight.push_back(Entry { what, overdue });
        if alone {
            self.write();
        }
        if std::mem::take(&mut self.drowsy) {
            self.watch = true;
            self.rouse();
        } else if !self.out.is_empty() {
            self.rouse();
        }
    }

    /// Writes in the caller's own thread, as far as the socket takes it; the task writes the rest.
    fn write(&mut self) {
        let Some(writer) = self.writer.as_ref().filter(|_| !self.writing) else {
            return;
        };
        match writer.try_write(&self.out) {
            Ok(written) if written == self.out.len() => self.out.clear(),
            Ok(written) => drop(self.out.drain(..written)),
            // The task will meet the same error, and deal with it.
            Err(_) => {}
        }
    }

    /// Whether several callers have something to be written.
    pub(in crate::node::redis) fn is_gathering(&self) -> bool {
        !self.gathered.is_empty() || (!self.out.is_empty() && self.in_flight.len() > 1)
    }

    /// What is to be written next; empty: nothing.
    pub(in crate::node::redis) fn take_out(&mut self, into: &mut Vec<u8>, overdue: Instant) {
        self.send_gathered(overdue);
        std::mem::swap(&mut self.out, into);
        self.writing = !into.is_empty();
    }

    /// All that the task had taken is written.
    pub(in crate::node::redis) fn wrote(&mut self) {
        self.writing = false;
    }
}
