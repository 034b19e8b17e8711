//! The requests on their way over one connection: queued, in flight, answered, failed.
//!
//! Everything here happens under one short mutex, from any thread. A request that finds the
//! connection idle is written by its own caller, which saves a task switch; under load the
//! lane's task writes what has gathered in one go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::job::{Job, Redirection};
use super::script::{self, News};
use super::traffic::{Phase, Traffic};
use crate::client::Monitor;
use crate::error::{NodeError, NodeErrorKind};
use crate::node::{Reply, Request, WakeSink};
use crate::sync::lock;

/// What the callers and the lane's task share.
pub(super) struct Lane {
    pub(super) deadline: Duration,
    pub(super) monitor: Monitor,
    pub(super) pushes: AtomicBool,
    sink: OnceLock<(usize, Weak<dyn WakeSink>)>,
    /// Who knows the other servers of the cluster this one belongs to.
    router: Option<Weak<dyn Router>>,
    state: Mutex<Traffic>,
}

/// What a lane cannot decide alone where several servers share the slots.
pub(super) trait Router: Send + Sync {
    /// The server named another one for this job.
    fn redirect(&self, job: Job, redirection: Redirection);

    /// The connection is gone, or no new one can be made: others may have taken the slots over.
    fn lost(&self);
}

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
            state: Mutex::new(Traffic::new(shares_calls)),
        }
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, Traffic> {
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
    pub(super) fn listen(&self, state: &mut Traffic, overdue: Instant) {
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

pub(super) fn closed() -> NodeError {
    NodeError::new(NodeErrorKind::Closed, "the connection has been closed")
}

pub(super) fn overtaken() -> NodeError {
    NodeError::new(
        NodeErrorKind::Closed,
        "the claim was released before the node was asked",
    )
}
