//! `MemoryServer`: the handle by which a test scripts what a memory server does.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::clock::{Micros, micros};
use super::fault::{Delay, Mode, Pushes, Script};
use super::keyspace::Entry;
use super::{Keyspace, News, Rule, Server, State, Value, trip};
use crate::error::NodeErrorKind;
use crate::sync::lock;

/// What a memory server still knows after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything, as with `appendfsync always`.
    Kept,
    /// Nothing, as without persistence.
    Lost,
}

/// The keys of a memory server at one moment, to go back to with [`MemoryServer::roll_back`].
#[derive(Clone, Debug)]
pub struct Snapshot(HashMap<Arc<str>, Entry>);

/// A handle to the in-process server that `memory://name` names, by which a test makes things go
/// wrong and looks at the outcome.
///
/// Faults stay until they are taken back; several can be on at once. Delays and deadlines run on
/// tokio's clock and chances on a seeded generator, so that a test under paused time takes no time
/// and runs the same way each time. Faults that take time need a tokio runtime: the one in which
/// they were scripted, or in which a command is sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use klg_lock::testing::MemoryServer;
/// use klg_lock::{LockError, NodeErrorKind, Redlock};
///
/// let server = MemoryServer::named("doc");
/// let locks = Redlock::builder().nodes([server.uri()]).connect().await?;
///
/// // As somebody else's lock would stand there:
/// server.set("redis_lock:key1", "another program", Some(Duration::from_secs(10)));
/// let refused = locks.lock("key1").acquire().await;
/// assert!(matches!(refused, Err(LockError::Contended { .. })));
///
/// server.fail(NodeErrorKind::Unreachable);
/// let outage = locks.lock("key2").acquire().await;
/// assert!(matches!(outage, Err(LockError::Unavailable { .. })));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryServer {
    server: Arc<Server>,
}

impl MemoryServer {
    /// The server that `memory://name` names, in this process. It lives for as long as a handle or
    /// a client of it does. An empty name makes a server that nobody else can name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            server: Server::open(Some(name)),
        }
    }

    /// The URI by which clients reach it.
    #[must_use]
    pub fn uri(&self) -> String {
        self.server.label().to_owned()
    }

    /// Starts the random choices anew; `0` unless set.
    pub fn seed(&self, seed: u64) {
        self.state().faults.seed(seed);
    }

    /// How long clients wait for an answer before they give a command up; 500 ms unless set.
    pub fn set_deadline(&self, deadline: Duration) {
        self.state().faults.set_deadline(deadline);
    }

    // --- outages ---

    /// From now on every command fails at once with such an error. What is under way is lost where
    /// the server is [unreachable](NodeErrorKind::Unreachable).
    pub fn fail(&self, kind: NodeErrorKind) {
        let mut state = self.state();
        state
            .faults
            .edit(|script| script.mode = Mode::Failing(kind));
        if kind == NodeErrorKind::Unreachable {
            break_connections(&mut state);
            let sinks: Vec<_> = state.sinks.values().cloned().collect();
            drop(state);
            for sink in sinks {
                sink.disconnected();
            }
        }
    }

    /// From now on the server takes commands and answers none. Those that still wait when it
    /// [recovers](Self::recover) are carried out then; those given up meanwhile never are.
    pub fn hang(&self) {
        self.edit(|script| script.mode = Mode::Hung);
    }

    /// The process ends: the server is unreachable until it [recovers](Self::recover), and may have
    /// lost its memory.
    pub fn crash(&self, memory: Memory) {
        self.fail(NodeErrorKind::Unreachable);
        if memory == Memory::Lost {
            let mut state = self.state();
            state.keyspace.flush(HashMap::new());
            state.keyspace.forget_readers();
        }
    }

    /// Ends an outage of any kind. Every client has a new connection then, and is told that
    /// everything may have changed.
    pub fn recover(&self) {
        let mut state = self.state();
        let was = state.faults.script().mode;
        if was == Mode::Up {
            return;
        }
        state.faults.edit(|script| script.mode = Mode::Up);
        let clients: Vec<_> = state.faults.lines.keys().copied().collect();
        for line in state.faults.lines.values_mut() {
            line.suspect = false;
        }
        let recovered = state.faults.recovered.clone();
        drop(state);
        for client in clients {
            trip::arrive(&self.server, client);
        }
        recovered.notify_waiters();
        self.reconnected();
    }

    /// The keys as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().keyspace.entries().clone())
    }

    /// The keys are again what they were, and all connections break: a replica that lagged behind
    /// has taken over, or a restart found an old file.
    pub fn roll_back(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        state.keyspace.flush(snapshot.0.clone());
        break_connections(&mut state);
        drop(state);
        self.reconnected();
    }

    // --- the network ---

    /// Commands take this long to arrive. They stay in order on each connection.
    pub fn delay_requests(&self, delay: impl Into<Delay>) {
        let delay = Some(delay.into());
        self.edit(|script| script.request_delay = delay);
    }

    /// Answers take this long to arrive. They stay in order on each connection.
    pub fn delay_replies(&self, delay: impl Into<Delay>) {
        let delay = Some(delay.into());
        self.edit(|script| script.reply_delay = delay);
    }

    /// With this probability, from 0 to 1, a command never arrives.
    pub fn lose_requests(&self, probability: f64) {
        self.edit(|script| script.lost_requests = probability);
    }

    /// With this probability, from 0 to 1, a command is carried out and its answer is lost.
    pub fn lose_replies(&self, probability: f64) {
        self.edit(|script| script.lost_replies = probability);
    }

    /// With this probability, from 0 to 1, a command is carried out twice.
    pub fn duplicate_requests(&self, probability: f64) {
        self.edit(|script| script.duplicates = probability);
    }

    /// The server offers no pushes, as where ACLs forbid `CLIENT TRACKING`. A client looks when it
    /// connects.
    pub fn refuse_pushes(&self) {
        self.edit(|script| script.pushes = Pushes::Refused);
    }

    /// The server offers pushes, and none ever arrives.
    pub fn lose_pushes(&self) {
        self.edit(|script| script.pushes = Pushes::Lost);
    }

    /// Pushes take this long to arrive, each for itself.
    pub fn delay_pushes(&self, delay: impl Into<Delay>) {
        let delay = delay.into();
        self.edit(|script| script.pushes = Pushes::Delayed(delay));
    }

    /// Takes back every fault of the network, and ends an outage. The clock stays as it is.
    pub fn heal(&self) {
        self.edit(|script| {
            *script = Script {
                mode: script.mode,
                ..Script::default()
            }
        });
        self.recover();
    }

    /// From now on the server breaks a rule of the lock protocol. No real server does that: it is to
    /// see whether a test notices.
    pub fn break_rule(&self, rule: Rule) {
        self.state().keyspace.broken = Some(rule);
    }

    // --- the clock ---

    /// The server's `TIME`, since the Unix epoch.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_micros(self.state().keyspace.clock.now())
    }

    /// Sets the server's clock, counted from the Unix epoch.
    pub fn set_time(&self, since_epoch: Duration) {
        let clock = &mut self.state().keyspace.clock;
        let drift = clock.drift();
        clock.set(micros(since_epoch), drift);
    }

    /// The server's clock jumps ahead.
    pub fn step_forward(&self, by: Duration) {
        self.set_time(self.time().saturating_add(by));
    }

    /// The server's clock jumps back.
    pub fn step_back(&self, by: Duration) {
        self.set_time(self.time().saturating_sub(by));
    }

    /// From now on the server's clock is this much too fast, in parts per million; negative: too
    /// slow. Values beyond ±1,000,000 are taken as that.
    pub fn drift(&self, parts_per_million: i32) {
        let clock = &mut self.state().keyspace.clock;
        let now = clock.now();
        clock.set(
            now,
            i64::from(parts_per_million).clamp(-1_000_000, 1_000_000),
        );
    }

    // --- by hand, from a connection of its own ---

    /// Deletes a key, named in full; returns whether it was there.
    pub fn delete(&self, key: &str) -> bool {
        self.run(|keyspace, now| keyspace.get(key, now).is_some() && keyspace.remove(key))
    }

    /// Lets a key expire now. Nobody is told, as when Redis has not noticed yet; returns whether it
    /// was there.
    pub fn expire(&self, key: &str) -> bool {
        self.run(|keyspace, now| keyspace.get(key, now).is_some() && keyspace.forget(key))
    }

    /// Puts a string under a key, as a foreign program would; without a TTL it stays.
    pub fn set(&self, key: &str, value: &str, ttl: Option<Duration>) {
        self.run(|keyspace, now| {
            let expires = ttl.map(|ttl| Keyspace::deadline(now, ttl));
            keyspace.set_borrowed(key, Value::Text(value.as_bytes().into()), expires);
        });
    }

    /// Deletes everything, and tells every client.
    pub fn flush(&self) {
        self.run(|keyspace, _| keyspace.flush(HashMap::new()));
    }

    /// The string under a key; `None` where there is none, or no string.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        self.run(|keyspace, now| {
            let text = keyspace.get(key, now)?.value.to_text();
            text.map(Into::into)
        })
    }

    /// How much longer a key lives; `None` where there is none, or it stays for ever.
    #[must_use]
    pub fn ttl(&self, key: &str) -> Option<Duration> {
        self.run(|keyspace, now| {
            let expires = keyspace.get(key, now)?.expires?;
            Some(Duration::from_micros(expires.saturating_sub(now)))
        })
    }

    /// All keys, in full and sorted; fencing counters are among them.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let keys = self.state().keyspace.keys();
        let mut keys: Vec<String> = keys.iter().map(|key| String::from(&**key)).collect();
        keys.sort_unstable();
        keys
    }

    /// How often a command was carried out: `acquire`, `extend`, `heal`, `raise`, `release` or
    /// `inspect`, or a Redis command by its name in capitals.
    #[must_use]
    pub fn count(&self, command: &str) -> u64 {
        let counts = &self.state().keyspace.counts;
        counts.get(command).copied().unwrap_or_default()
    }

    /// How many commands were carried out.
    #[must_use]
    pub fn count_all(&self) -> u64 {
        self.state().keyspace.counts.values().sum()
    }

    /// How many clients are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.state().clients
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.server.state)
    }

    fn edit(&self, change: impl FnOnce(&mut Script)) {
        self.state().faults.edit(change);
    }

    fn run<R>(&self, command: impl FnOnce(&mut Keyspace, Micros) -> R) -> R {
        self.server.run(self.state(), None, |keyspace| {
            let now = keyspace.clock.now();
            command(keyspace, now)
        })
    }

    /// Every client has connected anew, and may have missed anything.
    fn reconnected(&self) {
        let state = self.state();
        let up = state.faults.script().mode == Mode::Up;
        let sinks: Vec<_> = state.sinks.values().filter(|_| up).cloned().collect();
        drop(state);
        for sink in sinks {
            sink.push(News::Changed(None));
        }
    }
}

fn break_connections(state: &mut State) {
    state.faults.disconnect();
    state.keyspace.forget_readers();
}
