//! Section `redis`: the default client, and any number of named ones.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Uri;
use super::section::section;
use crate::client::{Endpoint, LinkOptions, TlsFiles};
use crate::error::Error;

section! {
    /// The section `[redis]`: the default client, and others by name.
    RedisConfig in "redis" {
        /// Where the server is: `redis://`, `rediss://`, `redis+unix://`, `redis+cluster://`,
        /// `redis+sentinel://`, or `memory://` for one in this process.
        ///
        /// Default: `redis://localhost:6379`, where an untouched Redis listens.
        uri: Uri = "redis://localhost:6379".into(),

        /// What every key begins with, so that applications can share a server. No braces, except
        /// for one complete hash tag.
        ///
        /// Default: `redis_`.
        prefix: String = "redis_".into(),

        /// How long opening a connection may take, name lookup and greeting included.
        ///
        /// Default: 2 s, enough for TLS across continents, and short enough to try again soon.
        connect_timeout: Duration = Duration::from_secs(2),

        /// How long a command may take. A client whose server leaves commands unanswered for that
        /// long gives the connection up.
        ///
        /// Default: 2 s, well above what any typed command of the store takes.
        response_timeout: Duration = Duration::from_secs(2),

        /// Whether start-up fails when the server cannot be reached.
        ///
        /// Default: `false`: an application may outlive its Redis, and start before it.
        require_connection: bool = false,

        /// Whether the connection is made at the first use rather than at start-up.
        ///
        /// Default: `false`: mistakes show at start-up.
        lazy: bool = false,

        /// The files for TLS, where the URI asks for it.
        ///
        /// Default: none; the certificates that the system trusts.
        tls: TlsConfig = TlsConfig::default(),
    }
    by hand {
        /// The other clients, by name: `[redis.clients.session]`.
        ///
        /// Default: none.
        clients: BTreeMap<String, ClientConfig> = BTreeMap::new(),
    }
}

impl RedisConfig {
    /// The name under which the default client is known.
    pub const DEFAULT_CLIENT: &'static str = "default";

    /// Adds a named client, or replaces the one of that name.
    #[must_use = "returns the changed settings"]
    pub fn client(mut self, name: impl Into<String>, client: ClientConfig) -> Self {
        self.clients.insert(name.into(), client);
        self
    }

    /// The default client's settings, in the form that all clients share.
    pub(crate) fn default_client(&self) -> ClientConfig {
        let Self {
            uri,
            prefix,
            connect_timeout,
            response_timeout,
            require_connection,
            lazy,
            tls,
            clients: _,
        } = self.clone();
        ClientConfig {
            uri,
            prefix,
            connect_timeout,
            response_timeout,
            require_connection,
            lazy,
            tls,
        }
    }

    /// All clients by name, the default one first.
    pub(crate) fn all_clients(&self) -> impl Iterator<Item = (&str, ClientConfig)> {
        let default = (Self::DEFAULT_CLIENT, self.default_client());
        let named = self.clients.iter();
        std::iter::once(default).chain(named.map(|(name, client)| (name.as_str(), client.clone())))
    }
}

section! {
    /// A section `[redis.clients.{name}]`: one named client. It takes nothing over from `[redis]`.
    ClientConfig in "redis.clients" {
        /// Where the server is; as in [`RedisConfig::uri`](field@RedisConfig::uri).
        ///
        /// Default: none; a named client that says nothing of its server is an error.
        uri: Uri = "".into(),

        /// What every key of this client begins with.
        ///
        /// Default: `redis_`.
        prefix: String = "redis_".into(),

        /// How long opening a connection may take.
        ///
        /// Default: 2 s.
        connect_timeout: Duration = Duration::from_secs(2),

        /// How long a command may take.
        ///
        /// Default: 2 s.
        response_timeout: Duration = Duration::from_secs(2),

        /// Whether start-up fails when the server cannot be reached.
        ///
        /// Default: `false`.
        require_connection: bool = false,

        /// Whether the connection is made at the first use rather than at start-up.
        ///
        /// Default: `false`.
        lazy: bool = false,

        /// The files for TLS, where the URI asks for it.
        ///
        /// Default: none.
        tls: TlsConfig = TlsConfig::default(),
    }
}

impl ClientConfig {
    /// Where the client's server is.
    ///
    /// # Errors
    /// [`Error::Config`] for a URI that is none, or that takes no certificates and is given some.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Error> {
        Endpoint::parse(self.uri.as_str())?.with_tls(self.tls.files())
    }

    /// Where a lock node of this client is. Nodes may be mixed, so that certificates are for those
    /// that ask for them.
    ///
    /// # Errors
    /// [`Error::Config`] for a URI that is none.
    pub(crate) fn node_endpoint(&self, uri: &Uri) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::parse(uri.as_str())?;
        match &endpoint.tls {
            Some(_) => endpoint.with_tls(self.tls.files()),
            None => Ok(endpoint),
        }
    }

    /// How the client's connection is made.
    pub(crate) fn link_options(&self, name: &str) -> LinkOptions {
        LinkOptions {
            name: name.into(),
            deadline: self.response_timeout,
            connect_timeout: self.connect_timeout,
            require_connection: self.require_connection,
            lazy: self.lazy,
            ..LinkOptions::default()
        }
    }
}

impl TlsConfig {
    fn files(&self) -> TlsFiles {
        TlsFiles {
            authority: self.ca.clone(),
            identity: self.cert.clone().zip(self.key.clone()),
        }
    }
}

section! {
    /// A section `tls` inside a client's: the files that TLS rests on, all in PEM.
    TlsConfig in "redis.tls" {
        /// A certificate authority of one's own, in place of those the system trusts.
        ca: Option<PathBuf> = None,
        /// The client's certificate; goes with [`key`](field@Self::key).
        cert: Option<PathBuf> = None,
        /// The client's private key; goes with [`cert`](field@Self::cert).
        key: Option<PathBuf> = None,
    }
}
