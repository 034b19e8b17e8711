//! What is wrong with a memory server, by script: outage, delay, loss, duplication.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{ClientId, Keyspace, News, PushSink};
use crate::error::{NodeError, NodeErrorKind};

/// A command gets no answer for this long: the client gives up. As `node_timeout` of the engine.
const DEADLINE: Duration = Duration::from_millis(500);

/// How long something takes: always the same, or evenly spread over a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay(RangeInclusive<Duration>);

impl Delay {
    fn draw(&self, rng: &mut SmallRng) -> Duration {
        if self.0.start() >= self.0.end() {
            return *self.0.start();
        }
        rng.random_range(self.0.clone())
    }
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Self(delay..=delay)
    }
}

impl From<RangeInclusive<Duration>> for Delay {
    fn from(range: RangeInclusive<Duration>) -> Self {
        Self(range)
    }
}

/// Whether the server answers at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mode {
    #[default]
    Up,
    Failing(NodeErrorKind),
    Hung,
}

/// What becomes of pushes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Pushes {
    #[default]
    Delivered,
    /// The server does not offer them.
    Refused,
    Lost,
    Delayed(Delay),
}

/// Everything that can be scripted; the default is a flawless server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Script {
    pub(crate) mode: Mode,
    pub(crate) request_delay: Option<Delay>,
    pub(crate) reply_delay: Option<Delay>,
    /// Probabilities, each from 0 to 1.
    pub(crate) lost_requests: f64,
    pub(crate) lost_replies: f64,
    pub(crate) duplicates: f64,
    pub(crate) pushes: Pushes,
}

/// What a command does when it arrives: runs, twice if so told, and sends its result on the way back,
/// to arrive then or (`None`) never.
pub(super) type Arrival = Box<dyn FnOnce(&mut Keyspace, bool, Option<Instant>) + Send>;

/// A command under way to the server.
pub(super) struct Job {
    /// When it arrives.
    pub(super) due: Instant,
    /// How much later its reply arrives; `None`: never.
    pub(super) reply_delay: Option<Duration>,
    pub(super) duplicate: bool,
    /// The client gave it up while the server hung, and killed the connection it was on.
    pub(super) abandoned: Arc<AtomicBool>,
    pub(super) run: Arrival,
}

/// One connection's commands under way; they arrive in the order in which they were sent.
#[derive(Default)]
pub(super) struct Line {
    pub(super) queue: VecDeque<Job>,
    last_request: Option<Instant>,
    last_reply: Option<Instant>,
    /// A command went unanswered while the server hung: the next ones fail at once.
    pub(super) suspect: bool,
}

/// The script, and what it has under way.
pub(crate) struct Faults {
    script: Script,
    flawless: bool,
    pub(super) lines: HashMap<ClientId, Line>,
    rng: SmallRng,
    /// Where timers run when a command is sent from outside a runtime.
    pub(super) runtime: Option<Handle>,
    pub(super) deadline: Duration,
    /// Told whenever the server comes back.
    pub(super) recovered: Arc<Notify>,
}

impl Faults {
    pub(super) fn new() -> Self {
        Self {
            script: Script::default(),
            flawless: true,
            lines: HashMap::new(),
            rng: SmallRng::seed_from_u64(0),
            runtime: None,
            deadline: DEADLINE,
            recovered: Arc::default(),
        }
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script);
        self.flawless = self.script == Script::default();
        self.runtime = Handle::try_current().ok().or_else(|| self.runtime.take());
    }

    pub(super) fn seed(&mut self, seed: u64) {
        self.rng = SmallRng::seed_from_u64(seed);
    }

    pub(super) fn set_deadline(&mut self, deadline: Duration) {
        self.deadline = deadline;
    }

    /// Whether commands can take the short way.
    pub(super) fn idle(&self) -> bool {
        self.flawless && self.lines.values().all(|line| line.queue.is_empty())
    }

    /// The error with which a command fails at once, if the client knows better than to send it.
    pub(super) fn refusal(&self, client: ClientId) -> Option<NodeError> {
        match self.script.mode {
            Mode::Up => None,
            Mode::Failing(kind) => Some(NodeError::new(kind, complaint(kind))),
            Mode::Hung => {
                let suspect = self.lines.get(&client).is_some_and(|line| line.suspect);
                suspect.then(|| silence(self.deadline))
            }
        }
    }

    /// Puts a command on its way; returns when it arrives, or `None` if it never will.
    pub(super) fn dispatch(
        &mut self,
        client: ClientId,
        abandoned: Arc<AtomicBool>,
        run: Arrival,
    ) -> Option<Instant> {
        let mut draw = |delay: &Option<Delay>| {
            delay
                .as_ref()
                .map_or(Duration::ZERO, |delay| delay.draw(&mut self.rng))
        };
        let request_delay = draw(&self.script.request_delay);
        let reply_delay = draw(&self.script.reply_delay);
        let mut chance = |probability: f64| {
            probability > 0.0 && self.rng.random_bool(probability.clamp(0.0, 1.0))
        };
        if chance(self.script.lost_requests) {
            return None;
        }
        let reply_lost = chance(self.script.lost_replies);
        let duplicate = chance(self.script.duplicates);
        let line = self.lines.entry(client).or_default();
        let due = (Instant::now() + request_delay).max_of(line.last_request);
        line.last_request = Some(due);
        line.queue.push_back(Job {
            due,
            reply_delay: (!reply_lost).then_some(reply_delay),
            duplicate,
            abandoned,
            run,
        });
        Some(due)
    }

    /// The next command of `client` that has arrived, and when its reply will.
    pub(super) fn arrived(&mut self, client: ClientId) -> Option<(Job, Option<Instant>)> {
        if self.script.mode == Mode::Hung {
            return None;
        }
        let line = self.lines.get_mut(&client)?;
        let now = Instant::now();
        while line.queue.front().is_some_and(|job| job.due <= now) {
            let job = line.queue.pop_front()?;
            if job.abandoned.load(Ordering::Acquire) {
                continue;
            }
            let reply_at = job
                .reply_delay
                .map(|delay| (now + delay).max_of(line.last_reply));
            line.last_reply = reply_at.or(line.last_reply);
            return Some((job, reply_at));
        }
        None
    }

    /// All connections break: what is under way is gone.
    pub(super) fn disconnect(&mut self) {
        self.lines.clear();
    }

    /// Takes a push out of the way, if it is to be lost or delayed.
    pub(super) fn intercept(
        &mut self,
        sink: Arc<dyn PushSink>,
        news: &News,
    ) -> Option<Arc<dyn PushSink>> {
        if self.script.mode != Mode::Up {
            return None;
        }
        let delay = match (&self.script.pushes, news) {
            (Pushes::Delivered, _) | (Pushes::Refused, News::Message(_)) => return Some(sink),
            (Pushes::Refused | Pushes::Lost, _) => return None,
            (Pushes::Delayed(delay), _) => delay.draw(&mut self.rng),
        };
        let news = news.clone();
        let runtime = Handle::try_current().ok().or(self.runtime.clone())?;
        drop(runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            sink.push(news);
        }));
        None
    }
}

trait MaxOf {
    fn max_of(self, other: Option<Self>) -> Self
    where
        Self: Sized;
}

impl MaxOf for Instant {
    fn max_of(self, other: Option<Self>) -> Self {
        other.map_or(self, |other| self.max(other))
    }
}

/// What the client says when an answer does not come in time.
pub(super) fn silence(deadline: Duration) -> NodeError {
    let deadline = humantime::format_duration(deadline);
    NodeError::new(
        NodeErrorKind::TimedOut,
        format!("the memory server did not answer within {deadline}, by script"),
    )
}

/// What the client says when the connection breaks under a command.
pub(super) fn broken() -> NodeError {
    NodeError::new(
        NodeErrorKind::Unreachable,
        "the connection to the memory server broke, by script",
    )
}

fn complaint(kind: NodeErrorKind) -> &'static str {
    match kind {
        NodeErrorKind::Unreachable => "the memory server is unreachable, by script",
        NodeErrorKind::TimedOut => "the memory server does not answer, by script",
        NodeErrorKind::Unauthorized => "WRONGPASS from the memory server, by script",
        NodeErrorKind::Forbidden => "NOPERM from the memory server, by script",
        NodeErrorKind::ReadOnly => "READONLY from the memory server, by script",
        NodeErrorKind::Loading => "LOADING from the memory server, by script",
        NodeErrorKind::OutOfMemory => "OOM from the memory server, by script",
        NodeErrorKind::NotRedis => "the memory server does not speak Redis, by script",
        NodeErrorKind::Protocol => "garbage from the memory server, by script",
        NodeErrorKind::Closed => "the memory server is closed, by script",
    }
}
