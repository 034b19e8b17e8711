//! Settings from environment variables.

use std::ffi::OsString;

use super::Config;
use crate::error::Error;

impl Config {
    /// The defaults, with `REDIS_URI`, `REDIS_PREFIX` and `REDLOCK_NODES` (comma separated) in
    /// their place where set.
    ///
    /// # Errors
    /// [`Error::Config`] if a variable is not Unicode, or what it says is impossible.
    pub fn from_env() -> Result<Self, Error> {
        Self::default().overridden(|name| std::env::var_os(name))
    }

    /// These settings, with the environment's in their place where it has any; checked.
    pub(super) fn overridden(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Error> {
        let read = |name: &str| {
            variable(name)
                .map(|value| value.into_string())
                .transpose()
                .map_err(|_| Error::config(format!("{name} is not valid Unicode")))
        };
        if let Some(uri) = read("REDIS_URI")? {
            if uri.trim().is_empty() {
                return Err(Error::config(
                    "REDIS_URI is set but empty; unset it, or give a URI such as redis://localhost:6379",
                ));
            }
            self = self.uri(uri.trim());
        }
        if let Some(prefix) = read("REDIS_PREFIX")? {
            self = self.prefix(prefix);
        }
        if let Some(nodes) = read("REDLOCK_NODES")? {
            // Set but empty is how compose files say "none".
            let nodes = nodes.trim();
            self = self.nodes(
                nodes
                    .split(',')
                    .map(str::trim)
                    .filter(|_| !nodes.is_empty()),
            );
        }
        self.check()?;
        Ok(self)
    }
}
