//! What clients send to a server, as the server sees it: what scripts call is told apart there, and
//! nowhere else.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

/// What connections begin with, and what this program asks.
const UNCOUNTED: &[&str] = &[
    "auth", "client", "command", "config", "function", "hello", "info", "keys", "monitor",
    "script", "select",
];

/// Counts until it is told to end. It slows the server down: what it sees is not timed.
#[derive(Debug)]
pub struct Monitor {
    stream: TcpStream,
    reader: JoinHandle<u64>,
}

impl Monitor {
    /// Begins to count what reaches the server at this address.
    pub(crate) fn begin(address: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"MONITOR\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut line = Vec::new();
        lines.read_until(b'\n', &mut line)?;
        let reader = thread::spawn(move || {
            let mut count = 0;
            loop {
                line.clear();
                match lines.read_until(b'\n', &mut line) {
                    Ok(1..) => count += u64::from(counts(&String::from_utf8_lossy(&line))),
                    _ => return count,
                }
            }
        });
        Ok(Self { stream, reader })
    }

    /// How many commands there were.
    pub(crate) fn end(self) -> Result<u64> {
        // What the server has seen is on its way.
        thread::sleep(Duration::from_millis(20));
        self.stream.shutdown(Shutdown::Both)?;
        self.reader.join().ok().context("it could not be counted")
    }
}

/// Whether a line is of a command to be counted: `+<time> [<db> <client>] "<name>" ..`.
fn counts(line: &str) -> bool {
    let Some((_, rest)) = line.split_once('[') else {
        return false;
    };
    let Some((client, rest)) = rest.split_once(']') else {
        return false;
    };
    let name = rest.split('"').nth(1).unwrap_or_default().to_lowercase();
    !client.ends_with("lua") && !name.is_empty() && !UNCOUNTED.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_clients_ask_of_the_data_counts() {
        assert!(counts("+17.1 [0 127.0.0.1:5] \"SET\" \"a]b\" \"1\"\r\n"));
        assert!(counts(
            "+17.1 [0 127.0.0.1:5] \"EVALSHA\" \"lua\" \"1\"\r\n"
        ));
        assert!(!counts("+17.1 [0 lua] \"SET\" \"a\" \"1\"\r\n"));
        assert!(!counts("+17.1 [0 127.0.0.1:5] \"CLIENT\" \"ID\"\r\n"));
        assert!(!counts("+OK\r\n"));
    }
}
