//! A request on its way over a connection, and what is known of it until it is answered.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::script::Form;
use crate::client::Address;
use crate::client::resp::Frame;
use crate::error::NodeError;
use crate::node::{Op, Reply, Request, Vote};

/// One request and who waits for its answer.
pub(super) struct Job {
    pub(super) request: Request,
    /// `None`: failed already, and in the queue only because its reply may still come.
    pub(super) reply: Option<oneshot::Sender<Result<Vote, NodeError>>>,
    /// For how long a release is repeated.
    pub(super) until: Instant,
    pub(super) form: Form,
    /// A release that went over a connection before: it may have been carried out already.
    pub(super) repeated: bool,
    /// It was asked for before what was sent behind it, and is carried out after that.
    pub(super) late: bool,
    /// How often it was sent on to another server.
    pub(super) hops: u8,
}

impl Job {
    pub(super) fn new(request: Request, deadline: Duration, now: Instant) -> (Self, Reply) {
        let (sender, receiver) = oneshot::channel();
        let keep_trying = match request.op {
            Op::Release { keep_trying } | Op::Leave { keep_trying } => keep_trying.max(deadline),
            _ => deadline,
        };
        let job = Self {
            // A TTL of centuries is as good as one of a day here.
            until: now + keep_trying.min(Duration::from_secs(86_400)),
            request,
            reply: Some(sender),
            form: Form::default(),
            repeated: false,
            late: false,
            hops: 0,
        };
        (job, receiver)
    }

    /// Whether it gives something up, which is asked for until it is done.
    pub(super) fn is_release(&self) -> bool {
        matches!(self.request.op, Op::Release { .. } | Op::Leave { .. })
    }

    pub(super) fn answer(mut self, result: Result<Vote, NodeError>) {
        if let Some(reply) = self.reply.take() {
            // Whoever asked may be gone.
            let _ = reply.send(result);
        }
    }

    /// Only a release may follow a release.
    pub(super) fn may_be_sent(&self) -> bool {
        self.is_release() || !self.request.claim.is_released()
    }
}

/// One command whose reply is awaited.
pub(super) struct Entry {
    pub(super) what: What,
    /// From when on its silence means that the server hangs.
    pub(super) overdue: Instant,
}

/// What a reply has completed.
pub(super) enum Answered {
    Whole(Entry, Frame),
    /// Another reply belongs to it.
    Half,
    /// Nothing was asked.
    Nothing,
}

pub(super) enum What {
    Job(Job),
    /// An acquire by two commands, and the reply to the first of them.
    Plain(Job, Option<Frame>),
    /// Several releases in one call.
    Many(Vec<Job>),
    Ping(Instant),
    /// What comes before a job, and is of no interest by itself.
    Asking,
    /// Answered by a push where it succeeds.
    Subscribe,
}

impl What {
    pub(super) fn jobs(&self) -> &[Job] {
        match self {
            Self::Job(job) | Self::Plain(job, _) => std::slice::from_ref(job),
            Self::Many(jobs) => jobs,
            Self::Ping(_) | Self::Asking | Self::Subscribe => &[],
        }
    }

    pub(super) fn jobs_mut(&mut self) -> &mut [Job] {
        match self {
            Self::Job(job) | Self::Plain(job, _) => std::slice::from_mut(job),
            Self::Many(jobs) => jobs,
            Self::Ping(_) | Self::Asking | Self::Subscribe => &mut [],
        }
    }

    pub(super) fn into_jobs(self) -> Vec<Job> {
        match self {
            Self::Job(job) | Self::Plain(job, _) => vec![job],
            Self::Many(jobs) => jobs,
            Self::Ping(_) | Self::Asking | Self::Subscribe => Vec::new(),
        }
    }
}

/// Where a server of a cluster sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// The slot belongs there from now on.
    Moved { slot: u16, to: Address },
    /// The slot is on its way there; only this request is to follow it.
    Ask { to: Address },
}
