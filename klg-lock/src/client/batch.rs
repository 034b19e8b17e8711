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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;

    async fn polls_until_written(operations: usize) -> usize {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let under_way = Arc::new(AtomicUsize::new(operations));
        let mut batched = Batched::new(Stream::Unix(ours), under_way);
        let mut polls = 0;
        for round in 0..3_u8 {
            polls = 0;
            let written = poll_fn(|cx| {
                polls += 1;
                Pin::new(&mut batched).poll_write(cx, &[round])
            });
            assert_eq!(written.await.unwrap(), 1);
            poll_fn(|cx| Pin::new(&mut batched).poll_flush(cx))
                .await
                .unwrap();
            assert_eq!(theirs.read_u8().await.unwrap(), round);
        }
        polls
    }

    #[tokio::test]
    async fn a_lone_operation_is_written_at_once_and_several_after_one_turn_of_the_others() {
        assert_eq!(polls_until_written(1).await, 1);
        assert_eq!(polls_until_written(2).await, 2);
        assert_eq!(polls_until_written(64).await, 2);
    }
}
