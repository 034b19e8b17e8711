//! How a connection is doing, as it may be shown to an operator.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::NodeError;
use crate::sync::lock;

/// How a connection to Redis is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The server, without credentials.
    pub server: Box<str>,
    /// Whether it can be used now.
    pub state: HealthState,
    /// Since when it has been in this state.
    pub since: Instant,
    /// What went wrong last, if anything did; kept after the recovery.
    pub last_error: Option<NodeError>,
    /// The last measured round trip.
    pub round_trip: Option<Duration>,
    /// How often the connection was made anew after the first time.
    pub reconnects: u64,
}

/// Whether a connection can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthState {
    /// The first connection is being made.
    Connecting,
    /// It answers.
    Up,
    /// It is connected but did not answer in time, and is being asked whether it is alive.
    Suspect,
    /// There is none; a new one is tried again and again.
    Down,
    /// It was closed by this process.
    Closed,
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Down => "down",
            Self::Closed => "closed",
        })
    }
}

/// The health of one connection while it changes; every change is a `tracing` event.
pub(crate) struct Monitor {
    client: Box<str>,
    health: Mutex<Health>,
}

impl Monitor {
    pub(crate) fn new(client: &str, server: &str) -> Self {
        Self {
            client: client.into(),
            health: Mutex::new(Health {
                server: server.into(),
                state: HealthState::Connecting,
                since: Instant::now(),
                last_error: None,
                round_trip: None,
                reconnects: 0,
            }),
        }
    }

    pub(crate) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    pub(crate) fn last_error(&self) -> Option<NodeError> {
        lock(&self.health).last_error.clone()
    }

    pub(crate) fn measured(&self, round_trip: Duration) {
        lock(&self.health).round_trip = Some(round_trip);
    }

    pub(crate) fn up(&self) {
        let mut health = lock(&self.health);
        let before = health.enter(HealthState::Up);
        match before {
            HealthState::Up => return,
            HealthState::Connecting => {}
            HealthState::Suspect => {}
            HealthState::Down | HealthState::Closed => health.reconnects += 1,
        }
        tracing::info!(client = %self.client, server = %health.server, from = %before, "Redis is up");
    }

    pub(crate) fn suspect(&self, error: &NodeError) {
        let mut health = lock(&self.health);
        health.last_error = Some(error.clone());
        if health.enter(HealthState::Suspect) != HealthState::Suspect {
            tracing::warn!(client = %self.client, server = %health.server, %error, "Redis does not answer, asking whether it is alive");
        }
    }

    /// Reports the first failure of an outage, and each one that differs in kind; not every attempt.
    pub(crate) fn down(&self, error: &NodeError) {
        let mut health = lock(&self.health);
        let news = health.last_error.as_ref().map(NodeError::kind) != Some(error.kind());
        health.last_error = Some(error.clone());
        if health.enter(HealthState::Down) != HealthState::Down || news {
            tracing::warn!(client = %self.client, server = %health.server, %error, "Redis is down, reconnecting");
        }
    }

    pub(crate) fn closed(&self) {
        let mut health = lock(&self.health);
        if health.enter(HealthState::Closed) != HealthState::Closed {
            tracing::debug!(client = %self.client, server = %health.server, "Redis connection closed");
        }
    }
}

impl Health {
    /// Changes the state; returns the one before.
    fn enter(&mut self, state: HealthState) -> HealthState {
        let before = std::mem::replace(&mut self.state, state);
        if before != state {
            self.since = Instant::now();
        }
        before
    }
}
