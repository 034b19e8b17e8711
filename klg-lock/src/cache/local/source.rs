//! Where announcements of changes come from: a server, all masters of a cluster, or memory.

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::Cmd;

use super::ticket::Tickets;
use crate::client::{Endpoint, Link, LinkOptions};
#[cfg(feature = "cluster")]
use crate::client::{Kind, Masters};
use crate::error::Error;
use crate::memory::{self, News, PushSink, Server};

/// A connection whose death no announcement survives is found out within this time and a little.
const PING: Duration = Duration::from_secs(1);

/// Where announcements come from; held so that they keep coming.
pub(super) enum Source {
    Redis {
        link: Link,
    },
    #[cfg(feature = "cluster")]
    Cluster {
        masters: Masters,
    },
    Memory {
        _link: Arc<memory::Link>,
    },
}

impl Source {
    /// Has what a server, or the one in memory, announces make tickets worthless.
    pub(super) async fn open(
        endpoint: &Endpoint,
        options: LinkOptions,
        memory: Option<Arc<Server>>,
        tickets: Arc<Tickets>,
    ) -> Result<Self, Error> {
        if let Some(server) = memory {
            return Ok(Self::in_memory(server, tickets));
        }
        let mut tracking = Cmd::new();
        tracking.arg(&["CLIENT", "TRACKING", "ON", "BCAST"]);
        for prefix in tickets.prefixes() {
            tracking.arg("PREFIX").arg(&*prefix);
        }
        let options = LinkOptions {
            set_up: vec![tracking],
            ping_interval: PING,
            // The cache's other connection says what is to be said about that.
            require_connection: false,
            ..options
        };
        #[cfg(feature = "cluster")]
        if matches!(endpoint.kind, Kind::Cluster(_)) {
            let masters = Masters::open(endpoint, options, tickets).await?;
            return Ok(Self::Cluster { masters });
        }
        let options = LinkOptions {
            listener: Some(tickets),
            ..options
        };
        let link = Link::open(endpoint, options).await?;
        Ok(Self::Redis { link })
    }

    fn in_memory(server: Arc<Server>, tickets: Arc<Tickets>) -> Self {
        let link = Arc::new(memory::Link::new(server));
        let announcements = Arc::new(Announcements {
            tickets: tickets.clone(),
            link: Arc::downgrade(&link),
        });
        link.listen(announcements.clone());
        announcements.register();
        if link.server().pushes() {
            tickets.begin(true);
        }
        Self::Memory { _link: link }
    }

    /// Connects, where that was put off until a value is to be kept.
    pub(super) fn want(&self) {
        match self {
            Self::Redis { link } => link.want(),
            #[cfg(feature = "cluster")]
            Self::Cluster { masters } => masters.want(),
            Self::Memory { .. } => {}
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Redis { link } => link.close().await,
            #[cfg(feature = "cluster")]
            Self::Cluster { masters } => masters.close().await,
            Self::Memory { .. } => {}
        }
    }
}

/// The memory server's announcements.
struct Announcements {
    tickets: Arc<Tickets>,
    link: Weak<memory::Link>,
}

impl Announcements {
    fn register(&self) {
        let Some(link) = self.link.upgrade() else {
            return;
        };
        let prefixes = self.tickets.prefixes();
        // A memory server carries the command out before it returns.
        drop(link.send(None, move |keys| {
            for prefix in &prefixes {
                keys.track_prefix(prefix);
            }
            Ok(())
        }));
    }
}

impl PushSink for Announcements {
    fn push(&self, news: News) {
        match news {
            News::Changed(Some(key)) => self.tickets.void(&key),
            News::Changed(None) => {
                self.register();
                self.tickets.begin(true);
            }
            News::Message(_) => {}
        }
    }

    fn disconnected(&self) {
        self.tickets.begin(false);
    }
}
