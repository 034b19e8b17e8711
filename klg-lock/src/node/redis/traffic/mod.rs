//! What is on its way over one connection: queued, in flight, kept for later.

mod send;
mod silence;
mod turnover;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

pub(super) use self::silence::Silence;
use super::job::{Answered, Entry, Job, What};
use super::prolonged::Prolonged;
use super::script::{Known, Open};
use crate::client::Writer;
use crate::client::resp::Frame;
use crate::error::{NodeError, NodeErrorKind};

/// Everything of one lane that is on its way.
pub(super) struct Traffic {
    pub(super) phase: Phase,
    pub(super) closing: bool,
    /// Requests for several keys may share a call: they are all at home here.
    shares_calls: bool,
    writer: Option<Arc<Writer>>,
    /// Encoded, and not yet taken by the task.
    out: Vec<u8>,
    /// The task has taken bytes that are not all written yet; nobody else may write meanwhile.
    writing: bool,
    /// Plain requests that came while others were under way; they go out in one call.
    gathered: Vec<Job>,
    /// Sent or about to be, in the order of the replies.
    in_flight: VecDeque<Entry>,
    /// Releases that wait for a connection, or for the server to be ready.
    pub(super) parked: VecDeque<Job>,
    /// How many answers came at once, last time: whether several callers are at work.
    burst: usize,
    /// Set while the task sleeps.
    waker: Option<Waker>,
    /// The task's timer does not watch over what is sent from now on.
    drowsy: bool,
    /// The task is to set its timer for what was sent.
    watch: bool,
    /// Somebody asked while there was no connection.
    demanded: bool,
    prolonged: Prolonged,
    known: Known,
    hearing: Hearing,
    /// How many connections there were, which tells their channels apart.
    connections: u64,
}

/// Whether the server tells, on this connection, what becomes of the locks that are waited for.
#[derive(Debug)]
enum Hearing {
    /// Not asked, or refused.
    No,
    Asked(Open),
    Yes(Open),
}

pub(super) enum Phase {
    /// Requests are refused with this error.
    Down(NodeError),
    Up,
    /// Connected, but a request was not answered in time; refused with this error.
    Suspect(NodeError),
    Closed,
}

impl Traffic {
    /// `shares_calls`: requests for several keys may share a call.
    pub(super) fn new(shares_calls: bool) -> Self {
        Self {
            phase: Phase::Down(NodeError::new(
                NodeErrorKind::Unreachable,
                "not connected yet",
            )),
            closing: false,
            shares_calls,
            writer: None,
            out: Vec::new(),
            writing: false,
            gathered: Vec::new(),
            in_flight: VecDeque::new(),
            parked: VecDeque::new(),
            burst: 0,
            waker: None,
            drowsy: false,
            watch: false,
            demanded: false,
            prolonged: Prolonged::new(),
            known: Known::default(),
            hearing: Hearing::No,
            connections: 0,
        }
    }

    pub(super) fn demand(&mut self) {
        self.demanded = true;
        self.rouse();
    }

    pub(super) fn rouse(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn sleep(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    pub(super) fn take_demand(&mut self) -> bool {
        std::mem::take(&mut self.demanded)
    }

    pub(super) fn set_burst(&mut self, answers: usize) {
        self.burst = answers;
    }

    /// Takes a reply to the first of what is in flight; answers what is complete with it.
    pub(super) fn answered(&mut self, frame: Frame) -> Answered {
        if let Some(Entry {
            what: What::Plain(_, first @ None),
            ..
        }) = self.in_flight.front_mut()
        {
            *first = Some(frame);
            return Answered::Half;
        }
        match self.in_flight.pop_front() {
            Some(entry) => Answered::Whole(entry, frame),
            None => Answered::Nothing,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.gathered.is_empty()
    }

    /// Closing, and nothing is left to wait for.
    pub(super) fn is_done(&self) -> bool {
        let waits = |entry: &Entry| entry.what.jobs().iter().any(|job| job.reply.is_some());
        self.closing
            && self.parked.is_empty()
            && self.gathered.is_empty()
            && !self.in_flight.iter().any(waits)
    }

    pub(super) fn is_suspect(&self) -> bool {
        matches!(self.phase, Phase::Suspect(_))
    }

    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// A script prolonged the life of a fence key.
    pub(super) fn prolonged(&mut self, fence: &str) {
        self.prolonged.note(fence);
    }

    /// A plain acquire did not succeed: the next ones of this key go by the script, which tells more.
    pub(super) fn distrust(&mut self, fence: &str) {
        self.prolonged.forget(fence);
    }
}
