//! What arrives at a server: every command of every client, and every call of every script.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::server::HARNESS;
use crate::{Server, Wire};

/// A recording of a server's commands, from its start to [`stop`](Self::stop).
#[derive(Debug)]
pub struct Monitor {
    socket: std::path::PathBuf,
    lines: mpsc::Receiver<String>,
    reader: JoinHandle<()>,
}

/// What the end of a recording is recognised by.
const END: &str = "end-of-recording";

impl Monitor {
    pub(crate) fn start(server: &Server) -> Self {
        let mut wire = Self::sign_in(&server.socket());
        assert_eq!(wire.ask(&["MONITOR"]), redis::Value::Okay);
        let (sender, lines) = mpsc::channel();
        let reader = thread::spawn(move || {
            while let Some(line) = wire.line() {
                if line.contains(END) || sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            socket: server.socket(),
            lines,
            reader,
        }
    }

    /// The commands that the server had begun before this call, in order, without those of the
    /// harness: what stands behind the sender's address, `"set" "key" "value"`, in lower case or as
    /// the client wrote it. Calls from scripts are marked by a leading `lua `.
    #[must_use]
    pub fn stop(self) -> Vec<String> {
        Self::sign_in(&self.socket).ask(&["ECHO", END]);
        self.reader.join().expect("the reader of a recording");
        self.lines
            .iter()
            .filter_map(|line| {
                // +1700000000.000000 [0 127.0.0.1:50000] "get" "k"
                let (_, rest) = line.split_once('[')?;
                let (sender, command) = rest.split_once("] ")?;
                let of_harness = sender.contains("unix:") && !command.starts_with("lua");
                let from_script = sender.ends_with("lua");
                (!of_harness || from_script).then(|| {
                    let mark = if from_script { "lua " } else { "" };
                    format!("{mark}{command}")
                })
            })
            .collect()
    }

    fn sign_in(socket: &std::path::Path) -> Wire {
        let mut wire = Wire::unix(socket);
        assert_eq!(
            wire.ask(&["AUTH", HARNESS, HARNESS]),
            redis::Value::Okay,
            "the harness's user"
        );
        assert_eq!(
            wire.ask(&["CLIENT", "SETNAME", HARNESS]),
            redis::Value::Okay
        );
        wire
    }
}
