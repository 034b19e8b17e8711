//! The limits: what a server and a wire allow when there is no lock in between.

use std::sync::Mutex;
use std::sync::PoisonError;

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use redis::AsyncConnectionConfig;
use redis::aio::{MultiplexedConnection, PubSub};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A token in a list, which one `BLPOP` takes and one `LPUSH` gives back. The coordinator puts the
/// first token there.
#[derive(Debug)]
pub struct List {
    client: redis::Client,
    /// A connection that waits in `BLPOP` can do nothing else.
    idle: Mutex<Vec<MultiplexedConnection>>,
}

impl List {
    pub(super) fn connect(uris: &[String]) -> Result<Self> {
        let [uri] = uris else {
            bail!("a list is on one node")
        };
        Ok(Self {
            client: redis::Client::open(uri.as_str())?,
            idle: Mutex::default(),
        })
    }

    pub(super) async fn run<F, Fut>(&self, key: &str, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let config = AsyncConnectionConfig::new().set_response_timeout(None);
                let opened = self
                    .client
                    .get_multiplexed_async_connection_with_config(&config);
                opened.await?
            }
        };
        let (_, token): (String, String) = redis::cmd("BLPOP")
            .arg(key)
            .arg(0)
            .query_async(&mut connection)
            .await?;
        let output = section().await;
        let () = redis::cmd("LPUSH")
            .arg(key)
            .arg(token)
            .query_async(&mut connection)
            .await?;
        self.idle().push(connection);
        Ok(output)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<MultiplexedConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel, with a subscription to all channels that begins when it connects.
#[derive(Debug)]
pub struct Channel {
    connection: MultiplexedConnection,
    messages: tokio::sync::Mutex<PubSubDebug>,
}

struct PubSubDebug(PubSub);

impl std::fmt::Debug for PubSubDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PubSub").finish_non_exhaustive()
    }
}

impl Channel {
    pub(super) async fn connect(uris: &[String]) -> Result<Self> {
        let [uri] = uris else {
            bail!("a channel is on one node")
        };
        let client = redis::Client::open(uri.as_str())?;
        let mut messages = client.get_async_pubsub().await?;
        messages.psubscribe("*").await?;
        Ok(Self {
            connection: client.get_multiplexed_async_connection().await?,
            messages: tokio::sync::Mutex::new(PubSubDebug(messages)),
        })
    }

    /// Sends one message to everybody who listens.
    pub async fn publish(&self, key: &str) -> Result<()> {
        let mut connection = self.connection.clone();
        let command = redis::cmd("PUBLISH").arg(key).arg("free").take();
        Ok(command.query_async(&mut connection).await?)
    }

    /// Waits for the next message.
    pub async fn next(&self) -> Result<()> {
        let mut messages = self.messages.lock().await;
        let message = messages.0.on_message().next().await;
        message.map(drop).context("the subscription ended")
    }
}

/// A connection without any client library.
#[derive(Debug)]
pub struct BareTcp {
    stream: tokio::sync::Mutex<TcpStream>,
}

impl BareTcp {
    pub(super) async fn connect(uris: &[String]) -> Result<Self> {
        let [uri] = uris else {
            bail!("one exchange is with one node")
        };
        let stream = TcpStream::connect(uri.trim_start_matches("redis://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: tokio::sync::Mutex::new(stream),
        })
    }

    pub(super) async fn run<F, Fut>(&self, section: F) -> Result<Fut::Output>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        self.exchange().await?;
        let output = section().await;
        self.exchange().await?;
        Ok(output)
    }

    async fn exchange(&self) -> Result<()> {
        let mut stream = self.stream.lock().await;
        stream.write_all(b"PING\r\n").await?;
        let mut pong = [0; 7];
        stream.read_exact(&mut pong).await?;
        Ok(())
    }
}
