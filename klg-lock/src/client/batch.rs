//! A socket that gathers what several tasks have to say into one write.
//!
//! A connection that many tasks share writes whenever its queue is empty, and with `TCP_NODELAY` each
//! write is a packet, a system call here and another at the server. The tasks that the last answers
//! woke are about to queue their next commands: while several operations are under way, the first
//! write of a batch lets them have their turn before it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// A lone operation is never kept waiting.
const SEVERAL: usize = 2;

/// One socket under a shared connection.
#[derive(Debug)]
pub(super) struct Batched {
    stream: Stream,
    /// How many operations are under way on the connection.
    under_way: Arc<AtomicUsize>,
    /// The others have had their turn.
    waited: bool,
}

impl Batched {
    pub(super) fn new(stream: Stream, under_way: Arc<AtomicUsize>) -> Self {
        Self {
            stream,
            under_way,
            waited: false,
        }
    }
}

impl AsyncWrite for Batched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.waited && self.under_way.load(Ordering::Relaxed) >= SEVERAL {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = true;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.waited = false;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Batched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
