//! Opening one connection: resolve, connect, sign in. Nothing is kept from one time to the next, so
//! that a changed address, certificate or master is followed.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::endpoint::{Address, Endpoint, Kind};
use super::fault::{Refusal, io_fault, server_fault};
use super::handshake::{Mode, Session, greet};
use super::resp::{self, Frame, Inbox};
use super::stream::Stream;
use crate::error::{NodeError, NodeErrorKind};

/// How to open connections to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    /// What the connection is called in `CLIENT LIST`.
    pub(crate) name: Box<str>,
    /// The bound on everything until the connection can be used.
    pub(crate) timeout: Duration,
    /// Refuse a replica: it can grant nothing.
    pub(crate) master: bool,
    /// What kind of server it is meant to be.
    pub(crate) mode: Mode,
    /// Learn the server's `run_id`.
    pub(crate) identify: bool,
}

/// An open connection that nobody else uses yet.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: Stream,
    pub(crate) inbox: Inbox,
    pub(crate) session: Session,
}

impl Dialer {
    /// Opens a connection and signs in.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub(crate) async fn dial(&self) -> Result<Wire, NodeError> {
        let end = Instant::now() + self.timeout;
        match &self.endpoint.kind {
            Kind::Single(address) => self.dial_at(address, end).await,
            Kind::Sentinel { sentinels, master } => self.dial_master(sentinels, master, end).await,
            Kind::Cluster(_) | Kind::Memory(_) => Err(NodeError::new(
                NodeErrorKind::Protocol,
                format!("{} is no single server to connect to", self.endpoint),
            )),
        }
    }

    pub(super) async fn dial_at(&self, address: &Address, end: Instant) -> Result<Wire, NodeError> {
        match timeout_at(end, self.connect_and_greet(address)).await {
            Ok(result) => result,
            Err(_) => Err(NodeError::new(
                NodeErrorKind::TimedOut,
                format!(
                    "no connection to {address} within {:?}{}",
                    self.timeout,
                    if self.endpoint.tls.is_some() {
                        "; does it speak TLS on this port?"
                    } else {
                        ""
                    }
                ),
            )),
        }
    }

    pub(super) async fn connect_and_greet(&self, address: &Address) -> Result<Wire, NodeError> {
        let stream = self.connect(address).await?;
        let mut wire = Wire {
            stream,
            inbox: Inbox::default(),
            session: Session::default(),
        };
        match greet(&mut wire, self).await {
            Ok(()) => Ok(wire),
            // A server does not say that it expects TLS.
            Err(error)
                if self.endpoint.tls.is_none() && error.kind() == NodeErrorKind::Unreachable =>
            {
                let text = format!("{error}, as it was greeted; if it wants TLS, write rediss://");
                Err(NodeError::new(error.kind(), text).with_source(error))
            }
            Err(error) => Err(error),
        }
    }

    async fn connect(&self, address: &Address) -> Result<Stream, NodeError> {
        match address {
            Address::Tcp { host, port } => {
                let tcp = connect_tcp(host, *port).await?;
                #[cfg(feature = "tls")]
                if let Some(files) = &self.endpoint.tls {
                    return super::tls::wrap(files, host, tcp).await;
                }
                Ok(Stream::Tcp(tcp))
            }
            #[cfg(unix)]
            Address::Unix { path } => tokio::net::UnixStream::connect(path)
                .await
                .map(Stream::Unix)
                .map_err(|error| io_fault(&format!("cannot connect to {address}"), error)),
            #[cfg(not(unix))]
            Address::Unix { .. } => Err(NodeError::new(
                NodeErrorKind::Unreachable,
                "this system has no unix sockets; use redis://",
            )),
        }
    }

    #[cfg(feature = "sentinel")]
    async fn dial_master(
        &self,
        sentinels: &[Address],
        master: &str,
        end: Instant,
    ) -> Result<Wire, NodeError> {
        super::sentinel::dial_master(self, sentinels, master, end).await
    }

    #[cfg(not(feature = "sentinel"))]
    async fn dial_master(&self, _: &[Address], _: &str, _: Instant) -> Result<Wire, NodeError> {
        Err(NodeError::new(
            NodeErrorKind::Protocol,
            "redis+sentinel:// needs the feature `sentinel` of klg-lock",
        ))
    }
}

/// Tries every address of the host: `localhost` may well be two, of which one answers.
async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, NodeError> {
    let addresses = lookup(host, port).await.map_err(|error| {
        let what = format!("cannot find the address of the host {host:?}, is the name right?");
        io_fault(&what, error)
    })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await.and_then(Stream::tuned) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(io_fault(&format!("cannot connect to {host}:{port}"), last))
}

/// Asked anew for each connection, so that a name that moves is followed.
async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    #[cfg(test)]
    if let Some(address) = names::address(host) {
        return Ok(vec![address]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

impl Wire {
    /// Sends one command and waits for its reply; an error reply is an error.
    pub(crate) async fn ask(&mut self, args: &[&[u8]]) -> Result<Frame, NodeError> {
        let mut bytes = Vec::new();
        resp::command(&mut bytes, args);
        match self.exchange(&bytes, 1).await?.pop() {
            Some(Frame::Error(line)) => Err(server_fault(Refusal::parse(&line))),
            Some(frame) => Ok(frame),
            None => Ok(Frame::Nil),
        }
    }

    /// Sends commands in one write and waits for `count` replies, errors among them.
    pub(crate) async fn exchange(
        &mut self,
        bytes: &[u8],
        count: usize,
    ) -> Result<Vec<Frame>, NodeError> {
        self.write(bytes)
            .await
            .map_err(|error| io_fault("the connection broke", error))?;
        let mut replies = Vec::with_capacity(count);
        while replies.len() < count {
            match self.inbox.next() {
                Ok(Some(Frame::Push(_))) => {}
                Ok(Some(frame)) => replies.push(frame),
                Ok(None) => self
                    .read()
                    .await
                    .map_err(|error| io_fault("the connection broke", error))?,
                Err(error) => return Err(io_fault("unreadable answer", error)),
            }
        }
        Ok(replies)
    }

    /// The next frame, whatever it is.
    ///
    /// # Cancel safety
    ///
    /// Nothing that was read is lost.
    pub(super) async fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.inbox.next()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| Pin::new(&mut self.stream).poll_write(cx, rest)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await
    }

    async fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0_u8; 4096];
        let mut buffer = ReadBuf::new(&mut chunk);
        poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).await?;
        if buffer.filled().is_empty() {
            return Err(closed_by_peer());
        }
        self.inbox.extend(buffer.filled());
        Ok(())
    }
}

pub(crate) fn closed_by_peer() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the server closed the connection",
    )
}

/// Host names that tests give to addresses, and take away again.
#[cfg(test)]
pub(super) mod names {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use crate::sync::lock;

    static NAMES: Mutex<BTreeMap<String, SocketAddr>> = Mutex::new(BTreeMap::new());

    pub(crate) fn set(host: &str, address: SocketAddr) {
        lock(&NAMES).insert(host.to_owned(), address);
    }

    pub(super) fn address(host: &str) -> Option<SocketAddr> {
        lock(&NAMES).get(host).copied()
    }
}
