//! What stands behind the question mark of a URI.

use std::path::PathBuf;

use super::{Credentials, Protocol, TlsFiles};
use crate::error::Error;

/// What stands behind the question mark.
#[derive(Default)]
pub(super) struct Options {
    pub(super) protocol: Protocol,
    pub(super) sentinel: Credentials,
    authority: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(rest: &str) -> Result<Self, Error> {
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

    pub(super) fn tls(self, wanted: bool) -> Result<Option<TlsFiles>, Error> {
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
