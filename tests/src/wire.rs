//! A raw connection: bytes out, bytes in, no client library's opinion in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A blocking connection on which nothing has been said yet. Reads give up after ten seconds.
pub struct Wire {
    stream: BufReader<Box<dyn Stream>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// No reply to a test takes longer, unless it never comes.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

impl Wire {
    /// Connects by TCP.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        Self::over(stream)
    }

    /// Connects by a unix socket.
    #[must_use]
    pub fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        Self::over(stream)
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: BufReader::new(Box::new(stream)),
        }
    }

    /// Sends a command without waiting for the answer.
    pub fn send(&mut self, words: &[&str]) {
        let mut command = redis::Cmd::new();
        command.arg(words);
        self.send_bytes(&command.get_packed_command());
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Reads one reply of any kind, errors included, pushes too.
    pub fn receive(&mut self) -> redis::Value {
        redis::Parser::new().parse_value(&mut self.stream).unwrap()
    }

    /// Sends a command and reads one reply.
    pub fn ask(&mut self, words: &[&str]) -> redis::Value {
        self.send(words);
        self.receive()
    }

    /// Reads one line; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }
}
