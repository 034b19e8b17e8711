//! A worker, seen from the coordinator: started, given orders, listened to, ended.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::Report;
use crate::machine::{Pinning, processor_time};

/// How long a worker may take to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// A process of one subject. Dropped, it is ended.
#[derive(Debug)]
pub struct Worker {
    process: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Worker {
    /// Starts a process of a subject and waits until it is connected.
    pub fn start(driver: &Driver, pinning: Pinning, uris: &[String]) -> Result<Self> {
        let mut command = driver.command(pinning)?;
        command.args(uris);
        Self::start_in(&mut command)
    }

    fn start_in(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let output = process.stdout.take().context("no output")?;
        let input = process.stdin.take().context("no input")?;
        let (sender, lines) = mpsc::channel();
        // Ends with the process's output.
        drop(thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        }));
        let worker = Self {
            process,
            input,
            lines,
        };
        worker.hear(CONNECT).context("it does not connect")?;
        Ok(worker)
    }

    /// Gives an order; the answer is to be heard.
    pub fn say(&mut self, order: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        Ok(self.input.write_all(&line)?)
    }

    /// The next report.
    pub fn hear(&self, patience: Duration) -> Result<Report> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => serde_json::from_str(&line).with_context(|| line),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("no answer in {patience:?}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("its process has ended"),
        }
    }

    /// Gives an order and waits for the report.
    pub fn ask(&mut self, order: &impl Serialize, patience: Duration) -> Result<Report> {
        self.say(order)?;
        self.hear(patience)
    }

    /// The processor time it has had, in nanoseconds.
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        processor_time(self.process.id())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a subject's worker is started.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The subject, as results name it.
    pub name: String,
    /// The program and its first words; `None`: this program itself.
    pub program: Option<Vec<String>>,
}

impl Driver {
    /// A subject that this program can be itself.
    #[must_use]
    pub fn own(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            program: None,
        }
    }

    /// Whether it is this library.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.name.starts_with("klg-lock")
    }

    fn command(&self, pinning: Pinning) -> Result<Command> {
        Ok(match self.program.as_deref() {
            Some([program, words @ ..]) => {
                let mut command = pinning.command(program);
                command.args(words);
                command
            }
            _ => {
                let program = std::env::current_exe()?;
                let mut command = pinning.command(&program.to_string_lossy());
                command.args(["worker", &self.name]);
                command
            }
        })
    }
}
