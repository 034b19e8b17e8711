//! A URI with credentials in it, which it never prints.

use std::fmt;

use serde::Deserialize;

/// The URI of a Redis, as written in the configuration.
///
/// Printing it, with `Debug` too, leaves out what could be a user name or a password. What it says
/// is checked when something is built from it.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Uri(String);

impl Uri {
    /// The URI in full, credentials included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Uri {
    fn from(uri: T) -> Self {
        Self(uri.into())
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", self.0.as_str()),
        };
        let server = match (rest.rsplit_once('@'), rest.split_once('?')) {
            // An unescaped character in a password, or an `@` in an option: nothing is certain.
            (Some((user_info, _)), Some(_)) if user_info.contains('?') => "...",
            (Some((_, server)), _) => server,
            (None, _) => rest,
        };
        // Options may hold a password as well.
        let server = server.split('?').next().unwrap_or_default();
        if scheme.is_empty() {
            f.write_str(server)
        } else {
            write!(f, "{scheme}://{server}")
        }
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_printed() {
        for (uri, shown) in [
            ("redis://localhost:6379/2", "redis://localhost:6379/2"),
            ("redis://me:s3cret@host:1", "redis://host:1"),
            ("redis://:s3cret@host", "redis://host"),
            ("redis://me:s3c@ret/x@host", "redis://host"),
            (
                "redis+unix:///run/r.sock?pass=s3cret",
                "redis+unix:///run/r.sock",
            ),
            ("me:s3cret@host", "host"),
            ("redis://me:s3cr?et@host", "redis://..."),
            ("redis+unix:///run/r.sock?pass=s3@cret", "redis+unix://..."),
            ("redis://me:s3cret@host?pass=s3cret", "redis://host"),
        ] {
            let uri = Uri::from(uri);
            assert_eq!(uri.to_string(), shown);
            assert_eq!(format!("{uri:?}"), format!("{shown:?}"));
        }
    }
}
