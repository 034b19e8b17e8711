//! One private `redis-server`, which ends with this program.

use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use redis::RedisResult;
use rustix::process::Signal;

use crate::machine::{Pinning, processor_time, signal};
use crate::monitor::Monitor;

/// A running server on a port of its own.
#[derive(Debug)]
pub struct Server {
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server on a free port, on the processors given.
    pub fn start(pinning: Pinning) -> Result<Self> {
        for _ in 0..10 {
            // Free a moment ago; if somebody else takes it meanwhile, the next one will do.
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            if let Some(server) = Self::start_on(port, pinning)? {
                return Ok(server);
            }
        }
        bail!("no free port could be had")
    }

    fn start_on(port: u16, pinning: Pinning) -> Result<Option<Self>> {
        let program = std::env::current_exe()?;
        let process = pinning
            .command(&program.to_string_lossy())
            .args(["serve", &port.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("a server cannot be started")?;
        let mut server = Self { port, process };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if let Some(status) = server.process.try_wait()? {
                if status.code() == Some(1) {
                    return Ok(None);
                }
                bail!("redis-server ended: {status}");
            }
            if server.ask::<String>(&["PING"]).is_ok() {
                return Ok(Some(server));
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("redis-server gave no answer in 10 s")
    }

    /// Where it listens.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The processor time it has had, in nanoseconds.
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        processor_time(self.process.id())
    }

    /// Stops it where it stands: it takes connections and never answers.
    pub fn pause(&self) {
        signal(self.process.id(), Signal::STOP);
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&self) {
        signal(self.process.id(), Signal::CONT);
    }

    /// Ends it.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again after [`kill`](Self::kill), on the same port.
    pub fn start_again(&mut self, pinning: Pinning) -> Result<()> {
        *self = Self::start_on(self.port, pinning)?.context("its port was taken")?;
        Ok(())
    }

    /// One command over a connection of its own.
    pub fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = redis::Client::open(self.uri())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut connection)
    }

    /// How many scripts clients have run so far.
    pub fn scripts(&self) -> Result<u64> {
        let text: String = self.ask(&["INFO", "commandstats"])?;
        let counts = text.lines().filter_map(|line| {
            let (name, numbers) = line.strip_prefix("cmdstat_")?.split_once(':')?;
            let calls = numbers.split(',').next()?.strip_prefix("calls=")?;
            let script = ["eval", "evalsha", "fcall"].contains(&name);
            script.then(|| calls.parse::<u64>().ok())?
        });
        Ok(counts.sum())
    }

    /// Counts from now on what clients send, whichever way.
    pub fn monitor(&self) -> Result<Monitor> {
        Monitor::begin(&format!("127.0.0.1:{}", self.port))
    }

    /// The keys that are there, but for counters of fencing tokens, which stay for a day.
    pub fn keys(&self) -> Result<Vec<String>> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"])?;
        Ok(keys
            .into_iter()
            .filter(|key| !key.starts_with("fence:"))
            .collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
