//! A connection that only listens to channels, made anew whenever it breaks.
//!
//! It speaks either version of the protocol: in RESP2 a connection that listens can do nothing
//! else, which is why it is one of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::backend::Backend;
use super::backoff::Backoff;
use super::dial::{Dialer, Wire};
use super::endpoint::Kind;
use super::fault::{Refusal, io_fault, server_fault};
use super::handshake::Mode;
use super::resp::{self, Frame};
use crate::error::{NodeError, NodeErrorKind};
use crate::memory::{self, Message, News, PushSink, Topic};

/// How many messages wait for a slow listener; the server keeps what comes after them, as far as it
/// has been told to.
const CAPACITY: usize = 1024;
/// After so long a silence the server is asked whether it is alive.
const SILENCE: Duration = Duration::from_secs(10);

/// Messages of some channels, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Feed {
    messages: mpsc::Receiver<Message>,
    reconnects: Arc<AtomicU64>,
    _source: Source,
}

/// What sends the messages; ends with the feed.
#[derive(Debug)]
enum Source {
    Task(AbortHandle),
    Memory(#[expect(dead_code, reason = "subscribed for as long as it lives")] memory::Link),
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

impl Feed {
    /// Listens; resolves once the server has confirmed it.
    ///
    /// # Errors
    /// That the server cannot be reached, or refuses. Later losses are mended in the background.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub(crate) async fn open(backend: &Backend, topics: Vec<Topic>) -> Result<Self, NodeError> {
        let (sender, messages) = mpsc::channel(CAPACITY);
        let reconnects = Arc::new(AtomicU64::new(0));
        let source = match backend {
            Backend::Memory(client) => {
                let link = memory::Link::new(client.server().clone());
                link.subscribe(topics, Arc::new(Inbox(sender)));
                Source::Memory(link)
            }
            Backend::Link(link) => {
                let listener = Listener {
                    dialer: link.dialer().clone(),
                    topics,
                    sender,
                    reconnects: reconnects.clone(),
                };
                let wire = listener.connect().await?;
                Source::Task(tokio::spawn(listener.run(wire)).abort_handle())
            }
        };
        Ok(Self {
            messages,
            reconnects,
            _source: source,
        })
    }

    /// The next message.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }

    /// How often the connection was made anew. What was sent in between has been missed.
    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }
}

/// Takes the messages of a memory server, which waits for nobody.
struct Inbox(mpsc::Sender<Message>);

impl PushSink for Inbox {
    fn push(&self, news: News) {
        if let News::Message(message) = news
            && self.0.try_send(message).is_err()
        {
            tracing::warn!("a listener is more than {CAPACITY} messages behind, one was dropped");
        }
    }
}

struct Listener {
    dialer: Dialer,
    topics: Vec<Topic>,
    sender: mpsc::Sender<Message>,
    reconnects: Arc<AtomicU64>,
}

impl Listener {
    async fn run(self, mut wire: Wire) {
        let mut backoff = Backoff::new();
        loop {
            let since = Instant::now();
            let Err(error) = self.listen(&mut wire).await else {
                return;
            };
            if since.elapsed() > Duration::from_secs(1) {
                backoff.reset();
            }
            tracing::warn!(server = %self.dialer.endpoint, %error, "a subscription was cut, messages are missed until it is back");
            wire = loop {
                sleep(backoff.next()).await;
                match self.connect().await {
                    Ok(wire) => break wire,
                    Err(error) => {
                        tracing::debug!(server = %self.dialer.endpoint, %error, "no subscription yet");
                    }
                }
            };
            self.reconnects.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens a connection that listens.
    async fn connect(&self) -> Result<Wire, NodeError> {
        let mut wire = self.dial().await?;
        timeout(self.dialer.timeout, self.subscribe(&mut wire))
            .await
            .unwrap_or_else(|_| Err(silent(self.dialer.timeout)))?;
        Ok(wire)
    }

    /// A message reaches every server of a cluster, so that any of them will do.
    async fn dial(&self) -> Result<Wire, NodeError> {
        let Kind::Cluster(addresses) = &self.dialer.endpoint.kind else {
            return self.dialer.dial().await;
        };
        let mut last = NodeError::new(NodeErrorKind::Unreachable, "no server is named");
        for address in addresses {
            let mut shard = self.dialer.clone();
            shard.endpoint = self.dialer.endpoint.at(address.clone());
            shard.mode = Mode::Cluster;
            match shard.dial().await {
                Ok(wire) => return Ok(wire),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn subscribe(&self, wire: &mut Wire) -> Result<(), NodeError> {
        let mut bytes = Vec::new();
        for topic in &self.topics {
            let args: [&[u8]; 2] = match topic {
                Topic::Channel(channel) => [b"SUBSCRIBE", channel.as_bytes()],
                Topic::Pattern(pattern) => [b"PSUBSCRIBE", pattern.as_bytes()],
            };
            resp::command(&mut bytes, &args);
        }
        wire.write(&bytes).await.map_err(broken)?;
        let mut confirmed = 0;
        while confirmed < self.topics.len() {
            match wire.frame().await.map_err(broken)? {
                Frame::Error(line) => return Err(server_fault(Refusal::parse(&line))),
                Frame::List(items) | Frame::Push(items) => {
                    let kind = items.first().and_then(Frame::text);
                    if matches!(kind, Some("subscribe" | "psubscribe")) {
                        confirmed += 1;
                    } else {
                        // Of a topic that is confirmed already.
                        self.pass_on(items).await;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Passes messages on until the connection fails; `Ok`: nobody listens any more.
    async fn listen(&self, wire: &mut Wire) -> Result<(), NodeError> {
        let mut asked = false;
        loop {
            let frame = tokio::select! {
                () = self.sender.closed() => return Ok(()),
                frame = timeout(SILENCE, wire.frame()) => frame,
            };
            match frame {
                Ok(Ok(frame)) => {
                    asked = false;
                    if let Frame::List(items) | Frame::Push(items) = frame {
                        self.pass_on(items).await;
                    }
                }
                Ok(Err(error)) => return Err(broken(error)),
                Err(_) if asked => return Err(silent(SILENCE)),
                Err(_) => {
                    asked = true;
                    let mut ping = Vec::new();
                    resp::command(&mut ping, &[b"PING"]);
                    wire.write(&ping).await.map_err(broken)?;
                }
            }
        }
    }

    async fn pass_on(&self, items: Vec<Frame>) {
        if let Some(message) = message(items) {
            // Without a listener the connection is about to be closed.
            let _ = self.sender.send(message).await;
        }
    }
}

/// `message, channel, payload` or `pmessage, pattern, channel, payload`.
fn message(items: Vec<Frame>) -> Option<Message> {
    let mut items = items.into_iter();
    let mut text = || Some(Box::<str>::from(items.next()?.text()?));
    let pattern = match &*text()? {
        "message" => None,
        "pmessage" => Some(text()?),
        _ => return None,
    };
    let channel = text()?.into();
    let Some(Frame::Text(payload)) = items.next() else {
        return None;
    };
    Some(Message {
        channel,
        pattern,
        payload: payload.into(),
    })
}

fn broken(error: io::Error) -> NodeError {
    io_fault("the connection broke", error)
}

fn silent(patience: Duration) -> NodeError {
    NodeError::new(
        NodeErrorKind::TimedOut,
        format!("no answer within {patience:?}"),
    )
}
