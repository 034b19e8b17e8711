//! Where a Redis is, and never printed with its credentials.

mod address;
mod authority;
mod options;
mod several;
mod uri;

use std::fmt;
use std::path::PathBuf;

pub(crate) use self::address::Address;
use crate::error::Error;

/// The URIs there are, for those who wrote another.
const FORMS: &str = "redis://host:port/database, rediss:// (TLS), redis+unix:///path, \
     redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/master-name, memory://";

/// A parsed URI.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) kind: Kind,
    pub(crate) credentials: Credentials,
    /// How to sign in at the sentinels, which have users of their own.
    #[cfg_attr(
        not(feature = "sentinel"),
        expect(dead_code, reason = "read where sentinels are asked")
    )]
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) database: i64,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<TlsFiles>,
    label: Box<str>,
}

/// What answers at the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One server.
    Single(Address),
    /// A cluster; the addresses are where to ask for its layout.
    Cluster(Vec<Address>),
    /// The master of that name, as the sentinels know it.
    Sentinel {
        sentinels: Vec<Address>,
        master: Box<str>,
    },
    /// In this process. `None`: private to whoever opens it.
    Memory(Option<Box<str>>),
}

/// A user name and password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Option<Box<str>>,
}

/// Which version of the protocol to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RESP3 where the server speaks it, else RESP2.
    #[default]
    Newest,
    Resp2,
}

/// The files that TLS rests on, beyond the certificates the system trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// A certificate authority of one's own, in PEM; it replaces the system's.
    pub(crate) authority: Option<PathBuf>,
    /// The client's certificate and key, in PEM.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

impl Endpoint {
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.kind, Kind::Memory(_))
    }

    /// The URI as it may be shown: without credentials and options.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    /// Names the files for TLS, in place of those the URI names.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where the URI does not ask for TLS.
    pub(crate) fn with_tls(mut self, files: TlsFiles) -> Result<Self, Error> {
        if self.tls.is_none() && files != TlsFiles::default() {
            return Err(Error::config(format!(
                "certificates are given, but {self} does not use TLS; write rediss://"
            )));
        }
        self.tls = self.tls.map(|named| TlsFiles {
            authority: files.authority.or(named.authority),
            identity: files.identity.or(named.identity),
        });
        Ok(self)
    }

    /// One server of this endpoint, with everything but the address taken over.
    pub(crate) fn at(&self, address: Address) -> Self {
        let label = server_label(&address, self.tls.is_some(), self.database);
        Self {
            kind: Kind::Single(address),
            label,
            ..self.clone()
        }
    }
}

fn server_label(address: &Address, tls: bool, database: i64) -> Box<str> {
    let scheme = match address {
        Address::Unix { .. } => "redis+unix",
        Address::Tcp { .. } if tls => "rediss",
        Address::Tcp { .. } => "redis",
    };
    match (address, database) {
        (_, 0) => format!("{scheme}://{address}"),
        (Address::Unix { .. }, database) => format!("{scheme}://{address}?db={database}"),
        (Address::Tcp { .. }, database) => format!("{scheme}://{address}/{database}"),
    }
    .into()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self == &Self::default() {
            "none"
        } else {
            "hidden"
        })
    }
}
