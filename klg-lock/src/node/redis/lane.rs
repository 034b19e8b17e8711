//! The requests on their way over one connection: queued, in flight, answered, failed.
//!
//! Everything here happens under one short mutex, from any thread. A request that finds the
//! connection idle is written by its own caller, which saves a task switch; under load the
//! lane's task writes what has gathered in one go.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::job::{Answered, Entry, Job, Redirection, What};
use super::prolonged::Prolonged;
use super::script::{self, Form, Known, News, Open, Plain};
use crate::client::resp::Frame;
use crate::client::{Monitor, Writer, resp};
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Channels, Op, Reply, Request, WakeSink};
use crate::sync::lock;

/// What the callers and the lane's task share.
pub(super) struct Lane {
    pub(super) deadline: Duration,
    pub(super) monitor: Monitor,
    pub(super) pushes: AtomicBool,
    sink: OnceLock<(usize, Weak<dyn WakeSink>)>,
    /// Who knows the other servers of the cluster this one belongs to.
    router: Option<Weak<dyn Router>>,
    state: Mutex<State>,
}

/// The queues of one lane.
pub(super) struct State {
    phase: Phase,
    closing: bool,
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
    parked: VecDeque<Job>,
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

/// Which kind of command a server has left unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    None,
    /// A script may take its time.
    Job,
    /// Not even the question whether it is alive.
    Ping,
}

/// What a lane cannot decide alone where several servers share the slots.
pub(super) trait Router: Send + Sync {
    /// The server named another one for this job.
    fn redirect(&self, job: Job, redirection: Redirection);

    /// The connection is gone, or no new one can be made: others may have taken the slots over.
    fn lost(&self);
}

/// How many requests gather before they are written by the caller that comes last: at first so
/// many,
const FEWEST: usize = 4;
/// and so many once the server has something to do. Larger calls cost less; but while they gather,
/// the server has nothing to do, and later on the callers have nothing to do.
const MOST: usize = 12;
/// The more is under way, the longer the server does without: one gathers for so many.
const SHARE: usize = 4;

impl Lane {
    pub(super) fn new(
        deadline: Duration,
        monitor: Monitor,
        router: Option<Weak<dyn Router>>,
    ) -> Self {
        let shares_calls = router.is_none();
        Self {
            deadline,
            monitor,
            pushes: AtomicBool::new(false),
            sink: OnceLock::new(),
            router,
            state: Mutex::new(State {
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
            }),
        }
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn attach(&self, index: usize, sink: Weak<dyn WakeSink>) {
        let _ = self.sink.set((index, sink));
        let mut state = self.state();
        if matches!(state.phase, Phase::Up) {
            self.listen(&mut state, Instant::now() + self.deadline);
        }
    }

    /// Asks to be told what becomes of the locks that are waited for, once for each connection.
    pub(super) fn listen(&self, state: &mut State, overdue: Instant) {
        let sink = self.sink.get().and_then(|(_, sink)| sink.upgrade());
        let channels = sink.and_then(|sink| sink.channels());
        if let Some(channels) = channels.filter(|_| self.pushes()) {
            state.subscribe(&channels, overdue);
        }
    }

    pub(super) fn wake(&self, key: Option<&str>) {
        if let Some((index, sink)) = self.sink.get()
            && let Some(sink) = sink.upgrade()
        {
            sink.wake(*index, key);
        }
    }

    pub(super) fn tell(&self, news: News<'_>) {
        let sink = self.sink.get().and_then(|(_, sink)| sink.upgrade());
        match (sink, news) {
            (Some(sink), News::Given(place, given)) => sink.given(place, given),
            (Some(sink), News::Wanted(key)) => sink.wanted(key),
            (None, _) => {}
        }
    }

    pub(super) fn pushes(&self) -> bool {
        self.pushes.load(Ordering::Acquire)
    }

    pub(super) fn router(&self) -> Option<Arc<dyn Router>> {
        self.router.as_ref().and_then(Weak::upgrade)
    }

    pub(super) fn submit(&self, request: Request) -> Reply {
        let now = Instant::now();
        let (job, receiver) = Job::new(request, self.deadline, now);
        self.take(job, now);
        receiver
    }

    /// Sends a job, parks it or fails it, as the state of the connection has it.
    pub(super) fn take(&self, job: Job, now: Instant) {
        if let Err(error) = script::check(job.request.op) {
            return job.answer(Err(error));
        }
        let mut state = self.state();
        let error = match &state.phase {
            Phase::Closed => closed(),
            _ if state.closing => closed(),
            Phase::Up if job.may_be_sent() => return state.send(job, now + self.deadline),
            Phase::Up => overtaken(),
            Phase::Suspect(_) if job.is_release() => return state.send(job, now + self.deadline),
            Phase::Suspect(error) => error.clone(),
            Phase::Down(_) if job.is_release() => {
                state.parked.push_back(job);
                return state.demand();
            }
            Phase::Down(error) => {
                let error = error.clone();
                state.demand();
                error
            }
        };
        drop(state);
        job.answer(Err(error));
    }

    /// Stops taking requests; what is under way is finished.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closing = true;
        state.rouse();
    }
}

impl State {
    /// Encodes a job and sees to it that it is written.
    pub(super) fn send(&mut self, mut job: Job, overdue: Instant) {
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
    fn subscribe(&mut self, channels: &Channels, overdue: Instant) {
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
    pub(super) fn subscribed(&mut self) {
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
    pub(super) fn not_subscribed(&mut self) {
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
    pub(super) fn send_many(&mut self, jobs: Vec<Job>, overdue: Instant) {
        let form = Form {
            whole: self.known.lacks_release_many(),
            ..Form::default()
        };
        let requests = jobs.iter().map(|job| &job.request);
        script::encode_release_many(&mut self.out, requests, form);
        self.expect(What::Many(jobs), overdue);
    }

    pub(super) fn ping(&mut self, now: Instant, overdue: Instant) {
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

    fn demand(&mut self) {
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

    pub(super) fn set_drowsy(&mut self) {
        self.drowsy = true;
    }

    pub(super) fn take_demand(&mut self) -> bool {
        std::mem::take(&mut self.demanded)
    }

    pub(super) fn set_burst(&mut self, answers: usize) {
        self.burst = answers;
    }

    /// Whether several callers have something to be written.
    pub(super) fn is_gathering(&self) -> bool {
        !self.gathered.is_empty() || (!self.out.is_empty() && self.in_flight.len() > 1)
    }

    /// What is to be written next; empty: nothing.
    pub(super) fn take_out(&mut self, into: &mut Vec<u8>, overdue: Instant) {
        self.send_gathered(overdue);
        std::mem::swap(&mut self.out, into);
        self.writing = !into.is_empty();
    }

    /// All that the task had taken is written.
    pub(super) fn wrote(&mut self) {
        self.writing = false;
    }

    /// Something was sent while the timer did not watch.
    pub(super) fn take_watch(&mut self) -> bool {
        std::mem::take(&mut self.watch)
    }

    /// When the next entry becomes overdue, of those that are not.
    pub(super) fn next_overdue(&self, now: Instant) -> Option<Instant> {
        self.in_flight
            .iter()
            .map(|entry| entry.overdue)
            .find(|overdue| *overdue > now)
    }

    /// What the server has kept waiting for too long.
    pub(super) fn silence(&self, now: Instant) -> Silence {
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

    /// Keeps a release for later, or any request that the server asked to repeat.
    pub(super) fn park(&mut self, mut job: Job) {
        job.form = Form {
            asking: job.form.asking,
            ..Form::default()
        };
        self.parked.push_back(job);
    }

    /// A connection is there.
    pub(super) fn connected(&mut self, writer: Arc<Writer>) {
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
    pub(super) fn send_parked(&mut self, overdue: Instant) -> Vec<Job> {
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
    pub(super) fn take_parked(&mut self) -> VecDeque<Job> {
        std::mem::take(&mut self.parked)
    }

    /// The connection is gone: releases wait for the next one, everything else fails.
    pub(super) fn disconnected(&mut self, error: &NodeError) -> Vec<Job> {
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

    /// Takes out the releases that have been tried for long enough.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Job> {
        if self.earliest_end().is_none_or(|end| end > now) {
            return Vec::new();
        }
        let (expired, parked) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|job| job.until <= now);
        self.parked = VecDeque::from_iter::<Vec<Job>>(parked);
        expired
    }

    pub(super) fn earliest_end(&self) -> Option<Instant> {
        self.parked.iter().map(|job| job.until).min()
    }

    /// Takes out what the server has kept waiting for too long; its reply is still expected.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Job> {
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

    pub(super) fn close(&mut self) -> Vec<Job> {
        let mut left = self.disconnected(&closed());
        left.extend(self.parked.drain(..));
        self.phase = Phase::Closed;
        left
    }

    /// The server has lost its scripts.
    pub(super) fn forget_scripts(&mut self) {
        self.known = Known::default();
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

pub(super) fn closed() -> NodeError {
    NodeError::new(NodeErrorKind::Closed, "the connection has been closed")
}

pub(super) fn overtaken() -> NodeError {
    NodeError::new(
        NodeErrorKind::Closed,
        "the claim was released before the node was asked",
    )
}
