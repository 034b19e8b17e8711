//! What a test does to, and asks of, the data and the clients of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use redis::{Cmd, Connection, ConnectionLike, FromRedisValue, RedisError};

use crate::server::HARNESS;

/// A blocking connection with all rights. It goes by the unix socket and under a name of its own,
/// so that nothing done to the other clients or to the port befalls it.
pub struct Control {
    connection: Connection,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn connect(socket: &Path, anonymous: bool) -> Result<Self, RedisError> {
        let path = socket.display();
        let uri = if anonymous {
            format!("redis+unix://{path}")
        } else {
            format!("redis+unix://{path}?user={HARNESS}&pass={HARNESS}")
        };
        let connection = redis::Client::open(uri)?.get_connection()?;
        let mut control = Self { connection };
        control.try_ask::<()>(&["CLIENT", "SETNAME", HARNESS])?;
        Ok(control)
    }

    /// Any command; panics where the server answers with an error.
    pub fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        self.try_ask(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Any command.
    ///
    /// # Errors
    /// What the server answers, or that it does not.
    pub fn try_ask<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T, RedisError> {
        let mut command = Cmd::new();
        command.arg(words);
        command.query(&mut self.connection)
    }

    /// Any command, arguments as bytes.
    pub fn ask_bytes<T: FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let mut command = Cmd::new();
        command.arg(words);
        command.query(&mut self.connection).unwrap()
    }

    /// Whether the server takes commands: not loading, and in step with its master if it has one.
    pub(crate) fn is_ready(&mut self) -> bool {
        if self.try_ask::<String>(&["PING"]).is_err() {
            return false;
        }
        match self.try_ask::<String>(&["INFO", "replication"]) {
            Ok(text) => !text.contains("role:slave") || text.contains("master_link_status:up"),
            // A Sentinel has no such section.
            Err(_) => true,
        }
    }

    /// All keys of the selected database, those that have just expired not among them.
    #[must_use]
    pub fn keys(&mut self) -> BTreeSet<String> {
        self.keys_like("*")
    }

    /// The keys that match a `KEYS` pattern.
    #[must_use]
    pub fn keys_like(&mut self, pattern: &str) -> BTreeSet<String> {
        let keys: Vec<Vec<u8>> = self.ask(&["KEYS", pattern]);
        keys.iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    /// The string under a key.
    #[must_use]
    pub fn get(&mut self, key: &str) -> Option<String> {
        self.ask(&["GET", key])
    }

    /// How much longer a key lives; `None` where it is absent or lives for ever.
    #[must_use]
    pub fn time_to_live(&mut self, key: &str) -> Option<Duration> {
        let millis: i64 = self.ask(&["PTTL", key]);
        u64::try_from(millis).ok().map(Duration::from_millis)
    }

    /// `SET key value NX PX ttl`, as a foreign lock client sends it. Whether it took.
    pub fn set_if_absent(&mut self, key: &str, value: &str, ttl: Duration) -> bool {
        let millis = ttl.as_millis().to_string();
        let reply: Option<String> = self.ask(&["SET", key, value, "NX", "PX", &millis]);
        reply.is_some()
    }

    /// Deletes one key; whether it was there.
    pub fn delete(&mut self, key: &str) -> bool {
        self.ask(&["DEL", key])
    }

    /// Deletes all keys of all databases.
    pub fn flush_all(&mut self) {
        self.ask(&["FLUSHALL"])
    }

    /// Makes the server forget all scripts, so that `EVALSHA` answers `NOSCRIPT`.
    pub fn flush_scripts(&mut self) {
        self.ask(&["SCRIPT", "FLUSH"])
    }

    /// The connected clients besides the harness, each as the fields of its `CLIENT LIST` line.
    #[must_use]
    pub fn clients(&mut self) -> Vec<BTreeMap<String, String>> {
        let list: String = self.ask(&["CLIENT", "LIST"]);
        list.lines()
            .map(|line| {
                line.split(' ')
                    .filter_map(|field| field.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect::<BTreeMap<_, _>>()
            })
            .filter(|client| client.get("name").is_none_or(|name| name != HARNESS))
            .collect()
    }

    /// Cuts the connection of every client besides the harness; returns how many there were.
    pub fn kill_clients(&mut self) -> usize {
        let clients = self.clients();
        let killed = clients.iter().filter(|client| {
            // One that left meanwhile is not there to be killed.
            self.try_ask::<u32>(&["CLIENT", "KILL", "ID", &client["id"]])
                .is_ok_and(|count| count == 1)
        });
        killed.count()
    }

    /// How often each command was called since the last [`forget_calls`](Self::forget_calls);
    /// names in lower case, subcommands as `client|list`. Calls from scripts count too.
    #[must_use]
    pub fn calls(&mut self) -> BTreeMap<String, u64> {
        let text: String = self.ask(&["INFO", "commandstats"]);
        text.lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
            .filter_map(|(name, rest)| {
                let calls = rest.split(',').next()?.parse().ok()?;
                Some((name.to_owned(), calls))
            })
            .collect()
    }

    /// How often one command was called, see [`calls`](Self::calls).
    #[must_use]
    pub fn calls_of(&mut self, command: &str) -> u64 {
        self.calls().get(command).copied().unwrap_or(0)
    }

    /// Sets all counts of [`calls`](Self::calls) to zero.
    pub fn forget_calls(&mut self) {
        self.ask(&["CONFIG", "RESETSTAT"])
    }

    /// A number from `INFO`.
    #[must_use]
    pub fn info(&mut self, section: &str, field: &str) -> u64 {
        let text: String = self.ask(&["INFO", section]);
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| *name == field)
            .unwrap_or_else(|| panic!("no {field:?} in INFO {section}"))
            .1
            .parse()
            .expect("a number")
    }

    /// Makes the server busy for this long, without waiting for it (`DEBUG SLEEP`).
    pub fn keep_busy(mut self, time: Duration) {
        let seconds = time.as_secs_f64().to_string();
        let mut command = Cmd::new();
        command.arg(&["DEBUG", "SLEEP", &seconds]);
        self.connection
            .send_packed_command(&command.get_packed_command())
            .unwrap();
    }
}

impl ConnectionLike for Control {
    fn req_packed_command(&mut self, cmd: &[u8]) -> redis::RedisResult<redis::Value> {
        self.connection.req_packed_command(cmd)
    }

    fn req_packed_commands(
        &mut self,
        cmd: &[u8],
        offset: usize,
        count: usize,
    ) -> redis::RedisResult<Vec<redis::Value>> {
        self.connection.req_packed_commands(cmd, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }

    fn check_connection(&mut self) -> bool {
        self.connection.check_connection()
    }

    fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}
