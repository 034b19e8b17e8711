//! Who listens to which channel of a memory server.

use std::sync::Arc;

use super::glob;
use super::keyspace::ClientId;

/// What a client listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Channel(Box<str>),
    Pattern(Box<str>),
}

impl Topic {
    fn fits(&self, channel: &str) -> bool {
        match self {
            Self::Channel(name) => **name == *channel,
            Self::Pattern(pattern) => glob::matches(pattern.as_bytes(), channel.as_bytes()),
        }
    }

    /// The pattern, where it is one.
    fn pattern(&self) -> Option<Box<str>> {
        match self {
            Self::Channel(_) => None,
            Self::Pattern(pattern) => Some(pattern.clone()),
        }
    }
}

/// A message as one subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: Arc<str>,
    /// The pattern it came by; `None`: it was listened to by name.
    pub(crate) pattern: Option<Box<str>>,
    pub(crate) payload: Arc<[u8]>,
}

/// All subscriptions of a server.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    topics: Vec<(ClientId, Topic)>,
}

impl Channels {
    pub(super) fn subscribe(&mut self, client: ClientId, topics: Vec<Topic>) {
        self.topics
            .extend(topics.into_iter().map(|topic| (client, topic)));
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        self.topics.retain(|(other, _)| *other != client);
    }

    /// The message for each subscription that fits; one client may have several.
    pub(super) fn publish(&self, channel: &str, payload: &[u8]) -> Vec<(ClientId, Message)> {
        let (name, payload): (Arc<str>, Arc<[u8]>) = (channel.into(), payload.into());
        let fitting = self.topics.iter().filter(|(_, topic)| topic.fits(channel));
        fitting
            .map(|(client, topic)| {
                let message = Message {
                    channel: name.clone(),
                    pattern: topic.pattern(),
                    payload: payload.clone(),
                };
                (*client, message)
            })
            .collect()
    }
}
