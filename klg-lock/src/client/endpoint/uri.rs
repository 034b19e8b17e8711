//! A URI taken apart, each scheme in its own way.

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::authority::{Part, checked_database, credentials, unreadable};
use super::options::Options;
use super::several::Several;
use super::{Address, Credentials, Endpoint, FORMS, Kind, Protocol, server_label};
use crate::error::Error;

impl Endpoint {
    /// Takes a URI apart.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] says which part is wrong and what to write. The text never holds the
    /// URI's user name or password.
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        let uri = uri.trim();
        let Some((scheme, rest)) = uri.split_once("://") else {
            return Err(Error::config(format!(
                "{:?} is not a Redis URI; write one of {FORMS}",
                without_credentials(uri)
            )));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => Self::single(rest, false),
            "rediss" | "valkeys" => Self::single(rest, true),
            "redis+unix" | "valkey+unix" | "unix" => Self::unix(rest),
            "redis+cluster" | "valkey+cluster" => Self::several(rest, false, Several::Cluster),
            "rediss+cluster" | "valkeys+cluster" => Self::several(rest, true, Several::Cluster),
            "redis+sentinel" | "valkey+sentinel" => Self::several(rest, false, Several::Sentinel),
            "rediss+sentinel" | "valkeys+sentinel" => Self::several(rest, true, Several::Sentinel),
            "memory" => Self::memory(rest),
            other => Err(Error::config(format!(
                "unknown scheme {other:?} in a Redis URI; write one of {FORMS}"
            ))),
        }
    }

    fn single(rest: &str, tls: bool) -> Result<Self, Error> {
        if rest
            .split(['/', '?'])
            .next()
            .unwrap_or_default()
            .contains(',')
        {
            return Err(Error::config(
                "a redis:// URI names one server; for several write redis+cluster://a,b,c or \
                 redis+sentinel://a,b,c/master-name, and list independent lock nodes one by one",
            ));
        }
        let part = Part::parse(rest)?;
        let address = part.address()?;
        Ok(Self {
            label: server_label(&address, tls, part.info.redis_settings().db()),
            kind: Kind::Single(address),
            credentials: part.credentials(),
            sentinel_credentials: Credentials::default(),
            database: part.database()?,
            protocol: part.options.protocol,
            tls: part.options.tls(tls)?,
        })
    }

    fn unix(rest: &str) -> Result<Self, Error> {
        if !rest.starts_with('/') {
            return Err(Error::config(
                "a unix socket needs an absolute path: redis+unix:///var/run/redis.sock?db=0",
            ));
        }
        let options = Options::parse(rest)?;
        let info = format!("redis+unix://{rest}")
            .into_connection_info()
            .map_err(|error| unreadable(&error))?;
        let ConnectionAddr::Unix(path) = info.addr() else {
            return Err(Error::config("a redis+unix:// URI names no socket"));
        };
        let address = Address::Unix { path: path.clone() };
        let redis = info.redis_settings();
        let database = checked_database(redis.db())?;
        Ok(Self {
            label: server_label(&address, false, database),
            kind: Kind::Single(address),
            credentials: credentials(redis),
            sentinel_credentials: Credentials::default(),
            database,
            protocol: options.protocol,
            tls: None,
        })
    }

    fn memory(rest: &str) -> Result<Self, Error> {
        let name = rest.trim_matches('/');
        if name.contains(['/', '?', '#', '@']) {
            return Err(Error::config(
                "memory:// takes nothing but a name: memory:// or memory://shared-name",
            ));
        }
        let name = (!name.is_empty()).then_some(name);
        Ok(Self {
            label: format!("memory://{}", name.unwrap_or_default()).into(),
            kind: Kind::Memory(name.map(Into::into)),
            credentials: Credentials::default(),
            sentinel_credentials: Credentials::default(),
            database: 0,
            protocol: Protocol::Newest,
            tls: None,
        })
    }
}

fn without_credentials(uri: &str) -> &str {
    uri.rsplit_once('@').map_or(uri, |(_, rest)| rest)
}
