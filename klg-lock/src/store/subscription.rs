//! Messages on channels, as they come in.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::shared::Shared;
use super::{Decode, Store};
use crate::client::Feed;
use crate::error::Error;
use crate::memory::{Topic, glob};

/// A message on a channel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The channel, without the prefix.
    pub channel: String,
    /// The pattern that the channel fits, without the prefix, where it was listened to by one.
    pub pattern: Option<String>,
    /// What was sent.
    pub payload: Arc<[u8]>,
    shared: Arc<Shared>,
}

impl Message {
    /// The payload as the type it was sent as.
    ///
    /// # Errors
    /// [`Error::Value`], which names the channel, if it is none.
    pub fn decode<T: Decode>(&self) -> Result<T, Error> {
        T::decode(self.payload.to_vec())
            .map_err(|error| self.shared.undecodable(&self.channel, error))
    }
}

/// Listens to channels until it is dropped; made by [`Store::subscribe`] and
/// [`Store::psubscribe`].
///
/// It has a connection of its own, made anew when it breaks. Redis keeps nothing for those who are
/// away: what was sent meanwhile is missed, which [`reconnects`](Self::reconnects) shows. A
/// listener that falls far behind is cut off by the server, too.
///
/// It is a `Stream` as well.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    feed: Feed,
}

impl Store {
    /// Listens to channels by their names. Resolves once the server has confirmed it: what is sent
    /// from then on arrives.
    ///
    /// # Errors
    /// [`Error::Redis`] if the server cannot be reached or refuses; [`Error::Config`] if no channel
    /// is named.
    ///
    /// # Cancel safety
    /// Dropping the future ends what it began.
    pub fn subscribe<C: AsRef<str>>(
        &self,
        channels: &[C],
    ) -> impl Future<Output = Result<Subscription, Error>> + Send + use<C> {
        let name = |channel: &C| Topic::Channel([self.prefix(), channel.as_ref()].concat().into());
        Subscription::open(self.shared.clone(), channels.iter().map(name).collect())
    }

    /// Listens to the channels that fit a pattern such as `user:*`.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// Dropping the future ends what it began.
    pub fn psubscribe<P: AsRef<str>>(
        &self,
        patterns: &[P],
    ) -> impl Future<Output = Result<Subscription, Error>> + Send + use<P> {
        let prefix = glob::escape(self.prefix());
        let name = |pattern: &P| Topic::Pattern([&prefix, pattern.as_ref()].concat().into());
        Subscription::open(self.shared.clone(), patterns.iter().map(name).collect())
    }
}

impl Subscription {
    async fn open(shared: Arc<Shared>, topics: Vec<Topic>) -> Result<Self, Error> {
        if topics.is_empty() {
            return Err(Error::config("no channel is named; name at least one"));
        }
        match Feed::open(&shared.backend, topics).await {
            Ok(feed) => Ok(Self { shared, feed }),
            Err(error) => Err(shared.backend.error(error)),
        }
    }

    /// The next message, as soon as there is one; `None` once the runtime shuts down.
    ///
    /// # Cancel safety
    /// No message is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How often the connection was made anew; what was sent meanwhile has been missed.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.feed.reconnects()
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = self.feed.poll_next(cx);
        message.map(|message| {
            let message = message?;
            let pattern = message.pattern.map(|pattern| {
                let prefix = glob::escape(&self.shared.prefix);
                bare(&pattern, &prefix)
            });
            Some(Message {
                channel: bare(&message.channel, &self.shared.prefix),
                pattern,
                payload: message.payload,
                shared: self.shared.clone(),
            })
        })
    }
}

fn bare(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}
