//! The operations of a cache as commands and scripts of a Redis server.

mod ear;
mod load;
mod read;
mod reply;
mod script;
mod send;
mod write;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::Cmd;

use self::ear::Ear;
pub(crate) use self::ear::for_each_invalidated;
use super::terms::Terms;
use crate::cache::wake::Wakes;
#[cfg(feature = "cluster")]
use crate::client::Masters;
use crate::client::{Endpoint, Kind, Link, LinkOptions};
use crate::error::Error;

/// A cache's connection to its server.
#[derive(Debug)]
pub(crate) struct RedisBackend {
    link: Link,
    /// The bound on each operation.
    timeout: Duration,
    cluster: bool,
    /// On a cluster, what is waited for is read over these.
    #[cfg(feature = "cluster")]
    masters: Option<Masters>,
    ear: Arc<Ear>,
    terms: Terms,
}

impl RedisBackend {
    pub(crate) async fn open(
        endpoint: &Endpoint,
        options: LinkOptions,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let cluster = matches!(endpoint.kind, Kind::Cluster(_));
        let ear = Arc::new(Ear::default());
        let options = LinkOptions {
            deadline: timeout,
            ..options
        };
        // Only what is asked to be tracked is: a cache reads far more than it waits for.
        let mut tracking = Cmd::new();
        tracking.arg(&["CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP"]);
        let tracked = LinkOptions {
            set_up: vec![tracking],
            ..options.clone()
        };
        let alone = LinkOptions {
            listener: Some(ear.clone()),
            ..tracked.clone()
        };
        let link = Link::open(endpoint, if cluster { options } else { alone }).await?;
        #[cfg(feature = "cluster")]
        let masters = if cluster {
            let tracked = LinkOptions {
                // The other connection says what is to be said about that.
                require_connection: false,
                ..tracked
            };
            Some(Masters::open(endpoint, tracked, ear.clone()).await?)
        } else {
            None
        };
        Ok(Self {
            link,
            timeout,
            cluster,
            #[cfg(feature = "cluster")]
            masters,
            ear,
            terms: Terms::default(),
        })
    }

    pub(crate) fn pushes(&self) -> bool {
        self.ear.pushes.load(Ordering::Acquire)
    }

    pub(crate) fn wakes(&self) -> &Wakes {
        &self.ear.wakes
    }

    pub(crate) fn server(&self) -> &str {
        self.link.server()
    }

    pub(crate) async fn close(&self) {
        #[cfg(feature = "cluster")]
        if let Some(masters) = &self.masters {
            masters.close().await;
        }
        self.link.close().await;
    }
}
