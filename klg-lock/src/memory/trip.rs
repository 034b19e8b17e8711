//! A command's way to a memory server and back when faults are scripted.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::fault::{Mode, broken, silence};
use super::{ClientId, Keyspace, News, Server};
use crate::error::{NodeError, NodeErrorKind};
use crate::sync::lock;

/// A command that may be carried out more than once.
pub(super) type Command<R> = dyn Fn(&mut Keyspace) -> Result<R, NodeError> + Send + Sync;

/// How often a command that must arrive is tried again while the server stays away.
const RETRY: Duration = Duration::from_millis(50);

/// The commands of one connection that go on being tried.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    open: AtomicUsize,
    given_up: AtomicBool,
    changed: Notify,
}

impl Backlog {
    /// Resolves when nothing is open any more; after `bound`, what is left is given up.
    pub(super) async fn drain(self: Arc<Self>, bound: Duration) {
        let empty = async {
            loop {
                let changed = self.changed.notified();
                if self.open.load(Ordering::Acquire) == 0 {
                    return;
                }
                changed.await;
            }
        };
        if timeout(bound, empty).await.is_err() {
            self.given_up.store(true, Ordering::Release);
            self.changed.notify_waiters();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }
}

/// Sends a command through the faults. With `keep_trying` it is sent again until it is answered,
/// that time is over, or the backlog is given up.
pub(super) fn send<R: Send + 'static>(
    server: &Arc<Server>,
    client: ClientId,
    backlog: &Arc<Backlog>,
    keep_trying: Option<Duration>,
    command: Arc<Command<R>>,
) -> oneshot::Receiver<Result<R, NodeError>> {
    let (answer, receiver) = oneshot::channel();
    let first = match attempt(server, client, &command) {
        Attempt::Over(result) if keep_trying.is_none() || result.is_ok() => {
            let _ = answer.send(result);
            return receiver;
        }
        first => first,
    };
    let scripted_in = lock(&server.state).faults.runtime.clone();
    let Some(runtime) = Handle::try_current().ok().or(scripted_in) else {
        let _ = answer.send(Err(NodeError::new(
            NodeErrorKind::Unreachable,
            "faults that take time need a runtime to run on",
        )));
        return receiver;
    };
    let server = server.clone();
    match keep_trying {
        None => drop(runtime.spawn(async move {
            let result = first.finish(&server, client).await;
            let _ = answer.send(result);
        })),
        Some(bound) => {
            let backlog = backlog.clone();
            backlog.open.fetch_add(1, Ordering::AcqRel);
            drop(runtime.spawn(async move {
                let result = persist(&server, client, &backlog, bound, &command, first).await;
                let _ = answer.send(result);
                backlog.open.fetch_sub(1, Ordering::AcqRel);
                backlog.changed.notify_waiters();
            }));
        }
    }
    receiver
}

async fn persist<R: Send + 'static>(
    server: &Arc<Server>,
    client: ClientId,
    backlog: &Backlog,
    bound: Duration,
    command: &Arc<Command<R>>,
    first: Attempt<R>,
) -> Result<R, NodeError> {
    let until = Instant::now() + bound;
    let recovered = lock(&server.state).faults.recovered.clone();
    let mut next = first;
    let mut repeated = false;
    loop {
        let back = recovered.notified();
        let result = next.finish(server, client).await;
        if result.is_ok() || Instant::now() >= until || backlog.given_up.load(Ordering::Acquire) {
            if repeated {
                // What was sent after the first try may have been carried out before this one, and
                // no push tells a client of its own changes.
                let sink = lock(&server.state).sinks.get(&client).cloned();
                sink.inspect(|sink| sink.push(News::Changed(None)));
            }
            return result;
        }
        let retry = until.min(Instant::now() + RETRY);
        tokio::select! {
            () = back => {}
            () = backlog.changed.notified() => {}
            () = sleep_until(retry) => {}
        }
        next = attempt(server, client, command);
        repeated = true;
    }
}

/// One sending of a command.
enum Attempt<R> {
    Over(Result<R, NodeError>),
    UnderWay {
        deadline: Instant,
        abandoned: Arc<AtomicBool>,
        reply: oneshot::Receiver<(Result<R, NodeError>, Option<Instant>)>,
    },
    /// It never arrives.
    Lost {
        deadline: Instant,
    },
}

fn attempt<R: Send + 'static>(
    server: &Arc<Server>,
    client: ClientId,
    command: &Arc<Command<R>>,
) -> Attempt<R> {
    let mut state = lock(&server.state);
    if let Some(error) = state.faults.refusal(client) {
        return Attempt::Over(Err(error));
    }
    let sent = Instant::now();
    let deadline = sent + state.faults.deadline;
    let (done, mut reply) = oneshot::channel();
    let abandoned = Arc::new(AtomicBool::new(false));
    let run = {
        let command = command.clone();
        move |keyspace: &mut Keyspace, twice: bool, reply_at: Option<Instant>| {
            let mut result = command(keyspace);
            if twice {
                // The repeat's answer counts, unless the repeat was no longer allowed.
                result = command(keyspace).or(result);
            }
            let _ = done.send((result, reply_at));
        }
    };
    let due = state
        .faults
        .dispatch(client, abandoned.clone(), Box::new(run));
    let Some(due) = due else {
        return Attempt::Lost { deadline };
    };
    let runtime = state.faults.runtime.clone();
    drop(state);
    if due <= sent {
        arrive(server, client);
        match reply.try_recv() {
            Ok((result, Some(at))) if at <= Instant::now() => return Attempt::Over(result),
            Ok(answered) => {
                let (again, later) = oneshot::channel();
                let _ = again.send(answered);
                reply = later;
            }
            Err(_) => {}
        }
    } else if let Some(runtime) = Handle::try_current().ok().or(runtime) {
        // By a task of its own: what is under way arrives though the client no longer waits.
        let server = server.clone();
        drop(runtime.spawn(async move {
            sleep_until(due).await;
            arrive(&server, client);
        }));
    }
    Attempt::UnderWay {
        deadline,
        abandoned,
        reply,
    }
}

impl<R> Attempt<R> {
    async fn finish(self, server: &Server, client: ClientId) -> Result<R, NodeError> {
        match self {
            Self::Over(result) => result,
            Self::Lost { deadline } => {
                sleep_until(deadline).await;
                Err(give_up(server, client, None))
            }
            Self::UnderWay {
                deadline,
                abandoned,
                reply,
            } => {
                let trip = async {
                    match reply.await {
                        Err(_) => Err(broken()),
                        Ok((_, None)) => pending().await,
                        Ok((result, Some(at))) => {
                            sleep_until(at).await;
                            result
                        }
                    }
                };
                timeout_at(deadline, trip)
                    .await
                    .unwrap_or_else(|_| Err(give_up(server, client, Some(&abandoned))))
            }
        }
    }
}

/// The deadline has passed. If the server hangs, the connection is given up with all that is on it.
fn give_up(server: &Server, client: ClientId, abandoned: Option<&AtomicBool>) -> NodeError {
    let mut state = lock(&server.state);
    if state.faults.script().mode == Mode::Hung {
        state.faults.lines.entry(client).or_default().suspect = true;
        if let Some(abandoned) = abandoned {
            abandoned.store(true, Ordering::Release);
        }
    }
    silence(state.faults.deadline)
}

/// Runs the commands of `client` that have arrived.
pub(super) fn arrive(server: &Arc<Server>, client: ClientId) {
    let mut state = lock(&server.state);
    while let Some((job, reply_at)) = state.faults.arrived(client) {
        state.keyspace.actor = Some(client);
        (job.run)(&mut state.keyspace, job.duplicate, reply_at);
    }
    server.deliver(state);
}
