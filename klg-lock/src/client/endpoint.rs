//! Where a Redis is: a URI taken apart, and never printed with its credentials.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::error::Error;

const SENTINEL_PORT: u16 = 26379;

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

/// Where one server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp { host: Box<str>, port: u16 },
    Unix { path: PathBuf },
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

const FORMS: &str = "redis://host:port/database, rediss:// (TLS), redis+unix:///path, \
     redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/master-name, memory://";

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

    fn several(rest: &str, tls: bool, several: Several) -> Result<Self, Error> {
        let scheme = several.scheme(tls);
        let (user_info, rest) = match rest.rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (hosts, tail) = rest.split_at(end);
        let mut addresses: Vec<Address> = Vec::new();
        for host in hosts.split(',').map(str::trim) {
            if host.is_empty() {
                return Err(Error::config(format!(
                    "{scheme}:// needs at least one host, and none between two commas: {scheme}://a:6379,b:6379"
                )));
            }
            let mut address = Part::parse(host)?.address()?;
            if let (Several::Sentinel, Address::Tcp { port, .. }) = (several, &mut address)
                && !has_port(host)
            {
                *port = SENTINEL_PORT;
            }
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        let mut segments = path
            .trim_matches('/')
            .splitn(2, '/')
            .filter(|s| !s.is_empty());
        let master = match several {
            Several::Cluster => None,
            Several::Sentinel => Some(segments.next().ok_or_else(|| {
                Error::config(
                    "the master's name is missing; write redis+sentinel://host:26379,host:26379/master-name",
                )
            })?),
        };
        let database = match segments.next() {
            Some(number) => checked_database(number.parse().map_err(|_| no_database())?)?,
            None => 0,
        };
        if matches!(several, Several::Cluster) && database != 0 {
            return Err(Error::config(
                "a cluster has no database but 0; leave it out",
            ));
        }
        let user_info = user_info.map(|u| format!("{u}@")).unwrap_or_default();
        let options = Options::parse(tail)?;
        let credentials = Part::parse(&format!("{user_info}host"))?.credentials();
        let mut label = format!("{scheme}://");
        for (index, address) in addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            label.push_str(&format!("{comma}{address}"));
        }
        if let Some(master) = master {
            label.push_str(&format!("/{master}"));
        }
        if database != 0 {
            label.push_str(&format!("/{database}"));
        }
        // Last: what is wrong with the URI itself is said whatever the library was built for.
        several.check()?;
        Ok(Self {
            kind: match master {
                Some(master) => Kind::Sentinel {
                    sentinels: addresses,
                    master: master.into(),
                },
                None => Kind::Cluster(addresses),
            },
            credentials,
            sentinel_credentials: options.sentinel.clone(),
            database,
            protocol: options.protocol,
            tls: options.tls(tls)?,
            label: label.into(),
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

#[derive(Clone, Copy)]
enum Several {
    Cluster,
    Sentinel,
}

impl Several {
    /// Whether the library was built for it.
    fn check(self) -> Result<(), Error> {
        let (built, feature) = match self {
            Self::Cluster => (cfg!(feature = "cluster"), "cluster"),
            Self::Sentinel => (cfg!(feature = "sentinel"), "sentinel"),
        };
        if built {
            return Ok(());
        }
        Err(Error::config(format!(
            "redis+{feature}:// needs the feature `{feature}` of klg-lock: klg-lock = {{ features = [\"{feature}\"] }}"
        )))
    }

    fn scheme(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Cluster, false) => "redis+cluster",
            (Self::Cluster, true) => "rediss+cluster",
            (Self::Sentinel, false) => "redis+sentinel",
            (Self::Sentinel, true) => "rediss+sentinel",
        }
    }
}

/// `user:password@host:port/database?options`, as the `redis` crate reads it.
struct Part {
    info: ConnectionInfo,
    options: Options,
}

impl Part {
    fn parse(rest: &str) -> Result<Self, Error> {
        let options = Options::parse(rest)?;
        check_host(rest)?;
        Ok(Self {
            options,
            // Without TLS here: what the crate was built with says nothing about this library.
            info: format!("redis://{}", rest.split('?').next().unwrap_or_default())
                .into_connection_info()
                .map_err(|error| unreadable(&error))?,
        })
    }

    fn address(&self) -> Result<Address, Error> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => Ok(Address::Tcp {
                host: host.as_str().into(),
                port: *port,
            }),
            _ => Err(Error::config("a Redis URI names no host")),
        }
    }

    fn credentials(&self) -> Credentials {
        credentials(self.info.redis_settings())
    }

    fn database(&self) -> Result<i64, Error> {
        checked_database(self.info.redis_settings().db())
    }
}

fn credentials(redis: &redis::RedisConnectionInfo) -> Credentials {
    Credentials {
        user: redis.username().map(Into::into),
        password: redis.password().map(Into::into),
    }
}

fn checked_database(number: i64) -> Result<i64, Error> {
    if number < 0 {
        Err(no_database())
    } else {
        Ok(number)
    }
}

fn no_database() -> Error {
    Error::config("the database in a Redis URI is not a number from 0 up: redis://host:6379/2")
}

/// The crate's messages name no part of the URI, so they are safe to show.
fn unreadable(error: &redis::RedisError) -> Error {
    let reason = error.to_string();
    if reason.contains("database number") {
        return no_database();
    }
    Error::config(format!(
        "a Redis URI cannot be read ({reason}); write one of {FORMS}, and percent-encode the characters : / ? # @ in a password"
    ))
}

/// Says what is wrong with host and port. What stands there may be a password whose host was
/// forgotten, so that none of it is shown.
fn check_host(rest: &str) -> Result<(), Error> {
    let rest = rest.split('?').next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if path.contains('@') {
        return Err(Error::config(
            "a Redis URI cannot be read: the host ends at the first `/`; percent-encode the characters : / ? # @ in a password",
        ));
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match host.rsplit_once(']') {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None if host.matches(':').count() > 1 => {
            return Err(Error::config(
                "there is more than one colon in the host of a Redis URI; write an IPv6 address in brackets: redis://[::1]:6379",
            ));
        }
        None => match host.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        },
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(Error::config(format!(
            "a Redis URI names no host, or one with spaces; write one of {FORMS}"
        )));
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        // `host:` is the usual port, as in every URI.
        Some(_) if port == Some("") => Ok(()),
        Some(_) => Err(Error::config(
            "the port in a Redis URI is not a number from 1 to 65535: redis://host:6379",
        )),
    }
}

fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand inside brackets.
    host.rsplit(']').next().unwrap_or_default().contains(':')
}

fn without_credentials(uri: &str) -> &str {
    uri.rsplit_once('@').map_or(uri, |(_, rest)| rest)
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

/// What stands behind the question mark.
#[derive(Default)]
struct Options {
    protocol: Protocol,
    sentinel: Credentials,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Options {
    fn parse(rest: &str) -> Result<Self, Error> {
        let mut options = Self::default();
        if let Some(fragment) = rest.split_once('#').map(|(_, fragment)| fragment) {
            let hint = if fragment == "insecure" {
                "; TLS without a check of the certificate is not supported, name the authority with ?tls_ca=/path.pem"
            } else {
                "; percent-encode it as %23 in a password"
            };
            return Err(Error::config(format!(
                "a Redis URI cannot hold a `#`{hint}"
            )));
        }
        let Some((_, query)) = rest.split_once('?') else {
            return Ok(options);
        };
        // Any URL will do to decode the options with.
        let Some(url) = redis::parse_redis_url(&format!("redis://host?{query}")) else {
            return Err(Error::config("the options behind `?` cannot be read"));
        };
        for (key, value) in url.query_pairs() {
            match &*key {
                "protocol" => {
                    options.protocol = match &*value {
                        "2" | "resp2" => Protocol::Resp2,
                        "3" | "resp3" => Protocol::Newest,
                        _ => return Err(Error::config("protocol is resp2 or resp3")),
                    }
                }
                "sentinel_user" => options.sentinel.user = Some((&*value).into()),
                "sentinel_password" => options.sentinel.password = Some((&*value).into()),
                "tls_ca" => options.authority = Some((&*value).into()),
                "tls_cert" => options.certificate = Some((&*value).into()),
                "tls_key" => options.key = Some((&*value).into()),
                // Read by the crate, on a unix socket.
                "db" | "user" | "pass" => {}
                _ if query.contains('@') => {
                    return Err(Error::config(
                        "the options behind `?` cannot be read; percent-encode the characters : / ? # @ in a password",
                    ));
                }
                unknown => {
                    return Err(Error::config(format!(
                        "unknown option {unknown:?} in a Redis URI; known: protocol, tls_ca, tls_cert, tls_key, \
                         sentinel_user, sentinel_password, and for a unix socket db, user, pass"
                    )));
                }
            }
        }
        Ok(options)
    }

    fn tls(self, wanted: bool) -> Result<Option<TlsFiles>, Error> {
        let identity = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(Error::config("tls_cert and tls_key go together")),
        };
        if !wanted {
            return if identity.is_some() || self.authority.is_some() {
                Err(Error::config("tls_ca, tls_cert and tls_key need rediss://"))
            } else {
                Ok(None)
            };
        }
        if cfg!(not(feature = "tls")) {
            return Err(Error::config(
                "rediss:// needs the feature `tls` of klg-lock: klg-lock = { features = [\"tls\"] }",
            ));
        }
        Ok(Some(TlsFiles {
            authority: self.authority,
            identity,
        }))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "{}", path.display()),
        }
    }
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
