//! The key-value store: typed commands over a client, with its prefix everywhere.
//!
//! * [`Store`]: the commands, by type of value
//! * [`Pipeline`]: several in one round trip; [`Scan`]: the keys; [`Script`]: Lua;
//!   [`Subscription`]: channels
//! * [`Encode`], [`Decode`]: what can be stored; [`FromReply`]: what can be answered

// `commands/` defines the methods, `draft.rs` puts the prefix on, `call.rs` sends and reads.
mod call;
#[cfg(any(feature = "json", feature = "msgpack"))]
mod codec;
mod commands;
mod draft;
mod pipeline;
mod reply;
mod scan;
mod script;
mod shared;
mod subscription;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::sync::Arc;

pub use self::call::Call;
#[cfg(feature = "json")]
pub use self::codec::Json;
#[cfg(feature = "msgpack")]
pub use self::codec::MessagePack;
pub use self::commands::Side;
use self::draft::Draft;
pub use self::pipeline::{FromReplies, Pipeline};
pub use self::reply::{Expiry, FromReply};
pub use self::scan::Scan;
pub use self::script::Script;
use self::shared::Shared;
pub use self::subscription::{Message, Subscription};
pub use self::value::{CodecError, Decode, Encode};
use crate::client::{Backend, Connection, Health};
use crate::config::{ClientConfig, RedisConfig};
use crate::error::Error;

/// A key-value store on one client. Cheap to clone; all clones share the client's connection.
///
/// Every key begins with the client's prefix on the wire, and never shows it here. Commands the
/// store has no method for go over [`connection`](Self::connection), without the prefix.
///
/// Methods return a [`Call`], which is sent when it is awaited and borrows nothing. Their errors
/// are [`Error::Redis`] where the server refused a command or did not answer
/// in time, and [`Error::Value`] where something else is stored under the key
/// than was asked for; each names the client, the key and the way out. A command that was under
/// way when the connection broke is not repeated: it may have been carried out.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use klg_lock::{ClientConfig, Store};
///
/// let store = Store::connect(&ClientConfig::default().uri("memory://")).await?;
/// store.set_ex("kk", "vvv", Duration::from_secs(60)).await?;
/// let value: Option<String> = store.get("kk").await?;
/// assert_eq!(value.as_deref(), Some("vvv"));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// Connects a client of one's own, which belongs to no registry.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work;
    /// [`Error::Redis`] for a server that will never serve, such as one that
    /// refuses the password. One that is merely away is an error only where the settings say so.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(config: &ClientConfig) -> Result<Self, Error> {
        config.check()?;
        Self::open(RedisConfig::DEFAULT_CLIENT, config).await
    }

    /// The store of a registry's client.
    pub(crate) async fn open(name: &str, config: &ClientConfig) -> Result<Self, Error> {
        let options = config.link_options(name);
        let backend = Backend::open(&config.endpoint()?, options).await?;
        Ok(Self::new(backend, &config.prefix))
    }

    pub(crate) async fn close(&self) {
        self.shared.backend.close().await;
    }

    /// A store over a client; every key begins with `prefix`.
    pub(crate) fn new(backend: Backend, prefix: &str) -> Self {
        Self {
            shared: Arc::new(Shared {
                backend,
                prefix: prefix.into(),
            }),
        }
    }

    /// What every key begins with on the wire.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.shared.prefix
    }

    /// Several commands in one round trip.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(self.shared.clone())
    }

    /// The `redis` crate's own connection, for every command that has no method here. Keys sent
    /// over it carry no prefix. On `memory://` it understands the commands the store has methods
    /// for.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.shared.backend.connection()
    }

    /// How the client's connection is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.backend.health()
    }

    fn call<R>(&self, draft: Draft<'_>) -> Call<R> {
        Call::new(self.shared.clone(), draft.ready())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("client", &self.shared.backend.name())
            .field("server", &self.shared.backend.server())
            .field("prefix", &self.shared.prefix)
            .finish()
    }
}
