//! One open socket, plain or under TLS; split in two once requests run over it.

use std::io;
use std::pin::Pin;
#[cfg(feature = "tls")]
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixStream, unix};

#[cfg(feature = "tls")]
use crate::sync::lock;

/// A middlebox that cuts idle connections is told in time that this one is alive.
const KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(feature = "tls")]
pub(crate) type TlsStream = Box<tokio_rustls::client::TlsStream<TcpStream>>;

/// One open socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(TlsStream),
}

/// The half that one task reads from.
#[derive(Debug)]
pub(crate) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
    #[cfg(feature = "tls")]
    Tls(Arc<Mutex<TlsStream>>),
}

/// The half that anybody may try to write to.
#[derive(Debug)]
pub(crate) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
    /// The mutex is not contended: one task reads and writes.
    #[cfg(feature = "tls")]
    Tls(Arc<Mutex<TlsStream>>),
}

impl Stream {
    /// Sends small commands at once, and notices a peer that is gone.
    pub(crate) fn tuned(tcp: TcpStream) -> io::Result<TcpStream> {
        tcp.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        // Better without than not at all: some sandboxes forbid it.
        if let Err(error) = SockRef::from(&tcp).set_tcp_keepalive(&keepalive) {
            tracing::debug!(%error, "no TCP keepalive");
        }
        Ok(tcp)
    }

    pub(crate) fn split(self) -> (Reader, Writer) {
        match self {
            Self::Tcp(tcp) => {
                let (reader, writer) = tcp.into_split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            #[cfg(unix)]
            Self::Unix(unix) => {
                let (reader, writer) = unix.into_split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                let tls = Arc::new(Mutex::new(tls));
                (Reader::Tls(tls.clone()), Writer::Tls(tls))
            }
        }
    }
}

impl Reader {
    /// Reads what is there; `0`: the peer has closed.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        ready!(match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, &mut buffer),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, &mut buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **lock(tls)).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl Writer {
    /// Writes what fits without waiting, from any thread.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing does, and always under TLS, which only its own task can write.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(unix) => unix.try_write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self {
                Self::Tcp(tcp) => ready!(tcp.as_ref().poll_write_ready(cx))?,
                #[cfg(unix)]
                Self::Unix(unix) => ready!(unix.as_ref().poll_write_ready(cx))?,
                #[cfg(feature = "tls")]
                Self::Tls(tls) => return Pin::new(&mut **lock(tls)).poll_write(cx, bytes),
            }
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Pushes on what TLS holds back; a plain socket holds back nothing.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(&mut **lock(tls)).poll_flush(cx),
            _ => {
                let _ = cx;
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
