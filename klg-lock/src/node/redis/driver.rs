//! The task behind a lane: connects, sets up, hands over to [`Live`], and begins again.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::advice;
use super::lane::{Lane, closed, overtaken};
use super::live::{End, Live};
use crate::client::resp::{self, Frame};
use crate::client::{Backoff, Dialer, Refusal, Session, Wire};
use crate::error::NodeError;

/// The task's own things.
pub(super) struct Driver {
    pub(super) lane: Arc<Lane>,
    pub(super) dialer: Dialer,
    /// Ask the server to push.
    pub(super) tracking: bool,
    pub(super) ping_interval: Duration,
    /// The connection before this one: its commands may still be on their way.
    pub(super) before: Option<Session>,
    pub(super) warned: Warned,
    /// Closed when the task ends.
    pub(super) ended: watch::Sender<()>,
}

/// What has been warned of already; once is enough.
#[derive(Default)]
pub(super) struct Warned {
    settings: bool,
    kill: bool,
    tracking: bool,
}

impl Driver {
    /// Runs until the lane is closed; tells `first` how the first attempt to connect went.
    pub(super) async fn run(mut self, first: oneshot::Sender<Result<(), NodeError>>) {
        let mut first = Some(first);
        let mut backoff = Backoff::new();
        loop {
            if self.lane.state().is_done() {
                return;
            }
            self.pause(backoff.next()).await;
            let wire = match self.connect().await {
                Ok(wire) => wire,
                Err(error) => {
                    self.lost(&error);
                    if let Some(first) = first.take() {
                        let _ = first.send(Err(error));
                    }
                    continue;
                }
            };
            let Wire {
                stream,
                inbox,
                session,
            } = wire;
            let again = self.before.replace(session).is_some();
            let lane = self.lane.clone();
            let mut live = Live::new(&lane, stream, inbox, self.ping_interval);
            let overdue = Instant::now() + lane.deadline;
            let left = {
                let mut state = lane.state();
                state.connected(live.writer());
                // What waited for a connection goes first.
                let left = state.send_parked(overdue);
                lane.listen(&mut state, overdue);
                left
            };
            for job in left {
                job.answer(Err(overtaken()));
            }
            lane.monitor.up();
            if let Some(first) = first.take() {
                let _ = first.send(Ok(()));
            }
            if again {
                // Pushes were lost meanwhile: every waiter asks once.
                lane.wake(None);
            }
            let connected = Instant::now();
            match live.run().await {
                End::Done => return,
                End::Fault(error) => {
                    drop(live);
                    self.lost(&error);
                    // A server that takes connections only to break them is no reason to spin.
                    if connected.elapsed() > Duration::from_secs(1) {
                        backoff.reset();
                    }
                }
            }
        }
    }

    /// Opens and sets up a connection, before the first request goes over it.
    async fn connect(&mut self) -> Result<Wire, NodeError> {
        let mut wire = self.dialer.dial().await?;
        let end = tokio::time::Instant::now() + self.dialer.timeout;
        match tokio::time::timeout_at(end, self.set_up(&mut wire)).await {
            Ok(result) => result.map(|()| wire),
            Err(_) => Err(NodeError::new(
                crate::error::NodeErrorKind::TimedOut,
                format!("connected, but not set up within {:?}", self.dialer.timeout),
            )),
        }
    }

    async fn set_up(&mut self, wire: &mut Wire) -> Result<(), NodeError> {
        self.set_up_requests(wire).await?;
        if !std::mem::replace(&mut self.warned.settings, true) {
            advice::give(wire, &self.dialer.endpoint).await?;
        }
        Ok(())
    }

    /// Ends the connection before this one, and asks for pushes.
    async fn set_up_requests(&mut self, wire: &mut Wire) -> Result<(), NodeError> {
        let mut bytes = Vec::new();
        let kill = self.kill_before(&wire.session);
        if let Some(id) = &kill {
            resp::command(&mut bytes, &[b"CLIENT", b"KILL", b"ID", id.as_bytes()]);
        }
        let tracking = self.tracking && wire.session.resp3;
        if tracking {
            resp::command(&mut bytes, &[b"CLIENT", b"TRACKING", b"ON", b"NOLOOP"]);
        }
        let count = usize::from(kill.is_some()) + usize::from(tracking);
        let mut replies = if count == 0 {
            Vec::new()
        } else {
            wire.exchange(&bytes, count).await?
        };
        let pushes = tracking && matches!(replies.pop(), Some(Frame::Text(_)));
        self.lane.pushes.store(pushes, Ordering::Release);
        if self.tracking && !pushes && !self.warned.tracking {
            self.warned.tracking = true;
            let why = if wire.session.resp3 {
                "the user may not use CLIENT TRACKING"
            } else {
                "the server or the URI asks for RESP2"
            };
            tracing::warn!(server = %self.dialer.endpoint, why, "no wake-ups from Redis: waiting locks poll");
        }
        if let Some(Frame::Error(line)) = replies.pop()
            && kill.is_some()
            && Refusal::parse(&line).code == "NOPERM"
            && !self.warned.kill
        {
            self.warned.kill = true;
            tracing::warn!(server = %self.dialer.endpoint, "the user may not use CLIENT KILL: after a broken connection a lock key may outlive its release by its TTL");
        }
        Ok(())
    }

    /// The connection to end, if it can be told from one that another run of the server gave the
    /// same number.
    fn kill_before(&self, session: &Session) -> Option<String> {
        let before = self.before.as_ref()?;
        let same_run = before.run_id.is_some() && before.run_id == session.run_id;
        before.id.filter(|_| same_run).map(|id| id.to_string())
    }

    fn lost(&self, error: &NodeError) {
        self.lane.monitor.down(error);
        let failed = self.lane.state().disconnected(error);
        for job in failed {
            job.answer(Err(error.clone()));
        }
        if let Some(router) = self.lane.router() {
            router.lost();
        }
    }

    /// Waits before the next attempt: shorter where somebody asks for the node, and not beyond the
    /// end of a release's time.
    async fn pause(&self, delay: Duration) {
        if delay.is_zero() {
            return;
        }
        let transient = self
            .lane
            .monitor
            .last_error()
            .is_none_or(|error| error.kind().is_transient());
        let start = Instant::now();
        let mut end = start + delay;
        let mut sleep = Box::pin(tokio::time::sleep_until(end.into()));
        poll_fn(|cx| {
            loop {
                let now = Instant::now();
                let expired = {
                    let mut state = self.lane.state();
                    if state.is_done() {
                        return Poll::Ready(());
                    }
                    if state.take_demand() {
                        end = end.min(start + Backoff::demanded(delay, transient));
                    }
                    state.sleep(cx.waker());
                    let expired = state.expired(now);
                    let next = state.earliest_end().map_or(end, |until| end.min(until));
                    sleep.as_mut().reset(next.into());
                    expired
                };
                for job in expired {
                    let error = self.lane.monitor.last_error().unwrap_or_else(closed);
                    job.answer(Err(error));
                }
                if now >= end {
                    return Poll::Ready(());
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Also when the runtime ends, or the node was dropped: nobody may wait for ever.
        let left = self.lane.state().close();
        self.lane.monitor.closed();
        for job in left {
            job.answer(Err(closed()));
        }
        self.ended.send_replace(());
    }
}
