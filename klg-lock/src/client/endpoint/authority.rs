//! What stands between the scheme and the options of a URI: credentials, host, port and database.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::options::Options;
use super::{Address, Credentials, FORMS};
use crate::error::Error;

/// `user:password@host:port/database?options`, as the `redis` crate reads it.
pub(super) struct Part {
    pub(super) info: ConnectionInfo,
    pub(super) options: Options,
}

impl Part {
    pub(super) fn parse(rest: &str) -> Result<Self, Error> {
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

    pub(super) fn address(&self) -> Result<Address, Error> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) => Ok(Address::Tcp {
                host: host.as_str().into(),
                port: *port,
            }),
            _ => Err(Error::config("a Redis URI names no host")),
        }
    }

    pub(super) fn credentials(&self) -> Credentials {
        credentials(self.info.redis_settings())
    }

    pub(super) fn database(&self) -> Result<i64, Error> {
        checked_database(self.info.redis_settings().db())
    }
}

pub(super) fn credentials(redis: &redis::RedisConnectionInfo) -> Credentials {
    Credentials {
        user: redis.username().map(Into::into),
        password: redis.password().map(Into::into),
    }
}

pub(super) fn checked_database(number: i64) -> Result<i64, Error> {
    if number < 0 {
        Err(no_database())
    } else {
        Ok(number)
    }
}

pub(super) fn no_database() -> Error {
    Error::config("the database in a Redis URI is not a number from 0 up: redis://host:6379/2")
}

/// The crate's messages name no part of the URI, so they are safe to show.
pub(super) fn unreadable(error: &redis::RedisError) -> Error {
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
