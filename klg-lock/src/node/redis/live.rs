//! One open connection at work: writes what is queued, reads replies and pushes, watches the clock.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::job::{Answered, Entry, Job, Redirection, What};
use super::lane::{Lane, Router, overtaken};
use super::traffic::{Phase, Silence};
use super::{reply, script};
use crate::client::resp::{Frame, Inbox};
use crate::client::{Reader, Refusal, Stream, Writer, closed_by_peer, io_fault, server_fault};
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Op, Vote};

/// Why a connection is not used any further.
pub(super) enum End {
    /// It broke, hangs, or leads to a server that is master no longer.
    Fault(NodeError),
    /// The node is closing, and everything is answered.
    Done,
}

/// What the server could not carry out yet is repeated after this.
const REPEAT: Duration = Duration::from_millis(50);
/// A request that is sent on more often than this runs in circles.
const HOPS: u8 = 8;

pub(super) struct Live<'a> {
    lane: &'a Lane,
    reader: Reader,
    writer: Arc<Writer>,
    inbox: Inbox,
    /// Taken over from the queue; written up to `written`.
    unsent: Vec<u8>,
    written: usize,
    unflushed: bool,
    /// The callers that were ready have had their turn to add to what is written.
    gathered: bool,
    scratch: Box<[u8]>,
    /// Replies and who waits for them, kept for its memory.
    answered: Vec<(Entry, Frame)>,
    timer: Pin<Box<Sleep>>,
    ping_interval: Duration,
    next_ping: Instant,
    repeat_at: Option<Instant>,
    /// Something was read since the timer last fired.
    heard: bool,
    fault: Option<NodeError>,
}

impl<'a> Live<'a> {
    pub(super) fn new(
        lane: &'a Lane,
        stream: Stream,
        inbox: Inbox,
        ping_interval: Duration,
    ) -> Self {
        let (reader, writer) = stream.split();
        let now = Instant::now();
        Self {
            lane,
            reader,
            writer: Arc::new(writer),
            inbox,
            unsent: Vec::new(),
            written: 0,
            unflushed: false,
            gathered: false,
            scratch: vec![0; 16 * 1024].into(),
            answered: Vec::new(),
            timer: Box::pin(tokio::time::sleep(lane.deadline / 2)),
            ping_interval,
            next_ping: now + ping_interval,
            repeat_at: None,
            heard: true,
            fault: None,
        }
    }

    pub(super) fn writer(&self) -> Arc<Writer> {
        self.writer.clone()
    }

    pub(super) async fn run(&mut self) -> End {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Some(end) = self.write(cx) {
                return Poll::Ready(end);
            }
            match self.reader.poll_read(cx, &mut self.scratch) {
                Poll::Ready(Ok(0)) => return Poll::Ready(broken(closed_by_peer())),
                Poll::Ready(Ok(length)) => {
                    self.heard = true;
                    self.inbox
                        .extend(self.scratch.get(..length).unwrap_or_default());
                    if let Err(error) = self.receive() {
                        return Poll::Ready(broken(error));
                    }
                    if let Some(fault) = self.fault.take() {
                        return Poll::Ready(End::Fault(fault));
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(broken(error)),
                Poll::Pending => match self.timer.as_mut().poll(cx) {
                    Poll::Ready(()) => {
                        if let Some(fault) = self.tick() {
                            return Poll::Ready(End::Fault(fault));
                        }
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    /// Writes what is queued, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>) -> Option<End> {
        loop {
            if self.written == self.unsent.len() {
                self.unsent.clear();
                self.written = 0;
                let mut state = self.lane.state();
                state.wrote();
                if !self.gathered && state.is_gathering() {
                    // A runtime wakes this task right behind the first caller. One turn later,
                    // everybody's requests go out together.
                    self.gathered = true;
                    drop(state);
                    cx.waker().wake_by_ref();
                    return None;
                }
                self.gathered = false;
                state.take_out(&mut self.unsent, Instant::now() + self.lane.deadline);
                if state.is_done() {
                    return Some(End::Done);
                }
                let watch = state.take_watch();
                if self.unsent.is_empty() {
                    state.sleep(cx.waker());
                }
                drop(state);
                if watch {
                    self.wake_at(Instant::now() + self.lane.deadline / 2);
                }
                if self.unsent.is_empty() {
                    return self.flush(cx);
                }
            }
            let rest = self.unsent.get(self.written..).unwrap_or_default();
            match self.writer.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Some(broken(closed_by_peer())),
                Poll::Ready(Ok(length)) => {
                    self.written += length;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Some(broken(error)),
                Poll::Pending => return self.flush(cx),
            }
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Option<End> {
        if self.unflushed {
            match self.writer.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => return Some(broken(error)),
                Poll::Pending => {}
            }
        }
        None
    }

    /// Hands out everything that has arrived.
    fn receive(&mut self) -> io::Result<()> {
        let mut answered = std::mem::take(&mut self.answered);
        let mut pushed = Vec::new();
        let mut fault = None;
        let mut state = self.lane.state();
        loop {
            match self.inbox.next() {
                Ok(Some(Frame::Push(items))) => {
                    // In the place of an answer.
                    if kind(&items) == Some("subscribe") {
                        state.subscribed();
                    }
                    pushed.push(items);
                }
                Ok(Some(frame)) => match state.answered(frame) {
                    Answered::Whole(entry, frame) => answered.push((entry, frame)),
                    Answered::Half => {}
                    Answered::Nothing => {
                        fault = Some(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "an answer to nothing that was asked",
                        ));
                        break;
                    }
                },
                Ok(None) => break,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        state.set_burst(answered.len());
        let recovered = state.is_suspect();
        if recovered {
            state.set_phase(Phase::Up);
        }
        drop(state);
        if recovered {
            self.lane.monitor.up();
            // What the waiters asked meanwhile has failed.
            self.lane.wake(None);
        }
        // What was given first: who has the lock need not ask for it because its key changed.
        pushed.sort_by_key(|items| kind(items) != Some("message"));
        for items in pushed {
            self.push(&items);
        }
        for (entry, frame) in answered.drain(..) {
            match entry.what {
                What::Job(job) => self.answer(job, frame),
                What::Plain(job, first) => self.answer_plain(job, first, frame),
                What::Many(jobs) => self.answer_many(jobs, frame),
                What::Ping(sent) => self.lane.monitor.measured(sent.elapsed()),
                What::Asking => {}
                What::Subscribe => self.lane.state().not_subscribed(),
            }
        }
        self.answered = answered;
        fault.map_or(Ok(()), Err)
    }

    /// The replies to `SET NX PX` and `INCRBY`.
    fn answer_plain(&mut self, job: Job, set: Option<Frame>, count: Frame) {
        let end = match (&set, &count) {
            (Some(Frame::Text(_)), Frame::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        if let Some(end) = end.filter(|end| script::is_fence(*end)) {
            return job.answer(Ok(Vote::Granted { end }));
        }
        if let Some(key) = job.request.claim.keys.keys().first() {
            self.lane.state().distrust(&key.fence);
        }
        match set {
            Some(error @ Frame::Error(_)) => self.answer(job, error),
            // Somebody holds it, or the counter is lost: the script tells who, or mends it.
            _ => self.send_alone(job),
        }
    }

    fn answer_many(&mut self, jobs: Vec<Job>, frame: Frame) {
        match frame {
            Frame::List(replies) if replies.len() == jobs.len() => {
                for (job, reply) in jobs.into_iter().zip(replies) {
                    match reply {
                        Frame::Nil => self.send_alone(job),
                        reply => self.answer(job, reply),
                    }
                }
            }
            Frame::Error(line) if Refusal::parse(&line).code == "NOSCRIPT" => {
                self.send_many_again(jobs);
            }
            // Refused as a whole, such as for one key that the user has no right to.
            _ => jobs.into_iter().for_each(|job| self.send_alone(job)),
        }
    }

    /// The server does not know the script for many any more: those that still may be sent, again.
    fn send_many_again(&self, jobs: Vec<Job>) {
        let mut state = self.lane.state();
        state.forget_scripts();
        let (mut jobs, overtaken_jobs): (Vec<Job>, Vec<Job>) = jobs
            .into_iter()
            .partition(|job| job.may_be_sent() && job.reply.is_some());
        if !jobs.is_empty() {
            jobs.iter_mut().for_each(|job| job.late = true);
            state.send_many(jobs, Instant::now() + self.lane.deadline);
        }
        drop(state);
        for job in overtaken_jobs {
            job.answer(Err(overtaken()));
        }
    }

    /// One of many that takes more than the plain path: the same request by its own script.
    fn send_alone(&self, mut job: Job) {
        job.form.alone = true;
        self.send_again(job);
    }

    fn answer(&mut self, job: Job, frame: Frame) {
        if let Frame::Error(line) = &frame {
            let refusal = Refusal::parse(line);
            if refusal.code == "NOSCRIPT" && !job.form.whole {
                return self.send_whole(job);
            }
            let redirection = reply::redirection(refusal);
            if (redirection.is_some() || reply::is_half_moved(refusal))
                && let Some(router) = self.lane.router()
            {
                return self.send_on(job, redirection, &*router);
            }
            if refusal.is_deposed() {
                self.fault = Some(server_fault(refusal));
            }
            if job.is_release()
                && job.reply.is_some()
                && server_fault(refusal).kind().is_transient()
            {
                return self.repeat(job);
            }
        }
        let vote = match reply::vote(frame, job.request.op) {
            // The release before this repeat was not answered, but carried out: that the keys are
            // gone, or somebody else's by now, is its own doing, and no loss.
            Ok(Vote::Held(_) | Vote::Missing) if job.repeated => Ok(Vote::Granted { end: 0 }),
            vote => vote,
        };
        if job.form.prolong
            && matches!(vote, Ok(Vote::Granted { .. }))
            && matches!(job.request.op, Op::Acquire { .. })
            && let Some(key) = job.request.claim.keys.keys().first()
        {
            self.lane.state().prolonged(&key.fence);
        }
        let overtaken = job.late && job.is_release();
        let claim = overtaken.then(|| job.request.claim.clone());
        job.answer(vote);
        // What was sent behind it was carried out before it, and may have been refused because of it.
        // No push tells so, since the change is this client's own.
        for key in claim.iter().flat_map(|claim| claim.keys.keys()) {
            self.lane.wake(Some(&key.lock));
        }
    }

    /// Asks the server again in a moment.
    fn repeat(&mut self, mut job: Job) {
        job.late = true;
        let at = Instant::now() + REPEAT;
        self.repeat_at.get_or_insert(at);
        self.wake_at(at);
        self.lane.state().park(job);
    }

    /// Follows a slot that has moved, or is about to: never behind the claim's release.
    fn send_on(&mut self, mut job: Job, redirection: Option<Redirection>, router: &dyn Router) {
        if job.reply.is_none() {
            return;
        }
        if !job.may_be_sent() {
            return job.answer(Err(overtaken()));
        }
        if job.hops == HOPS || job.until <= Instant::now() {
            return job.answer(Err(NodeError::new(
                NodeErrorKind::Loading,
                "the key's slot is on its way to another server; wait until it has moved",
            )));
        }
        match redirection {
            Some(redirection) => {
                job.hops += 1;
                router.redirect(job, redirection);
            }
            // The keys are not all on one side, or on neither: servers do not tell these apart.
            None => self.repeat(job),
        }
    }

    /// The server does not know the script any more: the same request again, with its source.
    fn send_whole(&self, mut job: Job) {
        self.lane.state().forget_scripts();
        job.form.whole = true;
        self.send_again(job);
    }

    fn send_again(&self, mut job: Job) {
        job.late = true;
        let mut state = self.lane.state();
        if job.may_be_sent() && job.reply.is_some() {
            state.send(job, Instant::now() + self.lane.deadline);
        } else {
            drop(state);
            job.answer(Err(overtaken()));
        }
    }

    fn push(&self, items: &[Frame]) {
        match (kind(items), items) {
            (Some("invalidate"), [_, Frame::List(keys), ..]) => {
                for key in keys.iter().filter_map(Frame::text) {
                    self.lane.wake(Some(key));
                }
            }
            (Some("invalidate"), [_, _, ..]) => self.lane.wake(None),
            (Some("message"), [_, _, told]) => {
                if let Some(news) = told.text().and_then(script::news) {
                    self.lane.tell(news);
                }
            }
            _ => {}
        }
    }

    /// Looks after deadlines; says how the connection ended if it did.
    fn tick(&mut self) -> Option<NodeError> {
        let now = Instant::now();
        let heard = std::mem::take(&mut self.heard);
        let deadline = self.lane.deadline;
        let mut state = self.lane.state();
        let postponed = state.expired(now);
        let mut overtaken_jobs = Vec::new();
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.repeat_at = None;
            overtaken_jobs = state.send_parked(now + deadline);
        }
        let silence = state.silence(now);
        let failed = state.overdue(now);
        if silence == Silence::Job && !state.is_suspect() {
            let error = silent(deadline);
            state.set_phase(Phase::Suspect(error.clone()));
            state.ping(now, now + deadline);
            self.lane.monitor.suspect(&error);
        }
        if now >= self.next_ping {
            self.next_ping = now + self.ping_interval;
            if state.is_idle() {
                state.ping(now, now + deadline);
            }
        }
        let mut next = self.next_ping;
        match state.next_overdue(now) {
            Some(overdue) => next = next.min(overdue),
            // Answers come and go: look again soon, so that the next request finds a timer that is
            // early enough for it, without having to wake this task.
            None if heard => next = next.min(now + deadline / 2),
            None => state.set_drowsy(),
        }
        if let Some(at) = self.repeat_at {
            next = next.min(at);
        }
        if let Some(end) = state.earliest_end() {
            next = next.min(end);
        }
        drop(state);
        self.timer.as_mut().reset(next.into());
        for job in failed {
            job.answer(Err(silent(deadline)));
        }
        for job in postponed {
            job.answer(Err(NodeError::new(
                NodeErrorKind::Loading,
                "the server kept asking to be asked again; a slot is moving, or it refuses writes for now",
            )));
        }
        for job in overtaken_jobs {
            job.answer(Err(overtaken()));
        }
        (silence == Silence::Ping).then(|| {
            NodeError::new(
                NodeErrorKind::TimedOut,
                format!("no answer, not even to PING, within {deadline:?}"),
            )
        })
    }

    fn wake_at(&mut self, at: Instant) {
        if self.timer.deadline() > at.into() {
            self.timer.as_mut().reset(at.into());
        }
    }
}

/// What a push tells of.
fn kind(items: &[Frame]) -> Option<&str> {
    items.first().and_then(Frame::text)
}

fn silent(deadline: Duration) -> NodeError {
    NodeError::new(
        NodeErrorKind::TimedOut,
        format!("no answer within {deadline:?}"),
    )
}

fn broken(error: io::Error) -> End {
    End::Fault(io_fault("the connection broke", error))
}
