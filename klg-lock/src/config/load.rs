//! Settings from layered files.

use std::path::Path;

use config::{File, FileFormat};

use super::Config;
use crate::error::Error;

impl Config {
    /// Reads `config/default.toml`, then `config/{RUN_ENV}.toml`, then the environment as
    /// [`from_env`](Self::from_env) does; each overrides what came before, field by field.
    ///
    /// `RUN_ENV` is `development` unless set. A file that is not there is passed over.
    ///
    /// # Errors
    /// [`Error::Config`] if a file cannot be read, has an unknown field in one of the library's
    /// sections, or what it says is impossible.
    pub fn load() -> Result<Self, Error> {
        Self::load_from("config")
    }

    /// As [`load`](Self::load), from another directory.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_from(directory: impl AsRef<Path>) -> Result<Self, Error> {
        Self::layered(directory.as_ref(), |name| std::env::var_os(name))
    }

    pub(super) fn layered(
        directory: &Path,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, Error> {
        let stage = variable("RUN_ENV").unwrap_or_else(|| "development".into());
        let stage = stage
            .to_str()
            .filter(|stage| !stage.is_empty() && !stage.contains(['/', '\\']) && *stage != "..")
            .ok_or_else(|| {
                Error::config(format!(
                    "RUN_ENV is {stage:?}; give the name of a file in {}, without `.toml`",
                    directory.display()
                ))
            })?;
        let mut layers = config::Config::builder();
        for name in ["default", stage] {
            let path = directory.join(format!("{name}.toml"));
            layers = layers.add_source(File::from(path).format(FileFormat::Toml).required(false));
        }
        let config: Self = layers
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| Error::config(error.to_string()))?;
        config.overridden(variable)
    }
}
