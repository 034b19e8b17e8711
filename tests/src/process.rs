//! A second process of the application: started with words, spoken to by lines, killed at will.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a line may be awaited; a busy machine is slow, a broken process is for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process. Dropped, it is killed and waited for.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a program; its standard error goes where the test's goes.
    ///
    /// The package's own programs are found by `env!("CARGO_BIN_EXE_<name>")`.
    #[must_use]
    pub fn start(program: &str, words: &[&str]) -> Self {
        Self::start_in(Command::new(program).args(words))
    }

    /// Starts a command that was prepared: with variables, a directory, a wrapper around it.
    #[must_use]
    pub fn start_in(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            lines,
        }
    }

    /// The next line that the process prints.
    pub fn line(&self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => panic!("the process said nothing in {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => panic!("the process ended and said no more"),
        }
    }

    /// Writes one line to the process.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("a process that listens");
        writeln!(input, "{line}").unwrap();
    }

    /// Closes the process's standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        kill_process(pid, signal).expect("the process takes signals");
    }

    /// Kills the process (`SIGKILL`): nothing of it runs any more, nothing is tidied up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end of the process; all lines it still had to print come back with its status.
    pub fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        self.end_input();
        let begun = Instant::now();
        let mut rest = Vec::new();
        // The lines end when the process has closed its output.
        while let Some(left) = PATIENCE.checked_sub(begun.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => rest.push(line),
                Err(RecvTimeoutError::Disconnected) => {
                    return (self.child.wait().unwrap(), rest);
                }
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("the process did not end in {PATIENCE:?}; it said {rest:?}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
