//! What all handles of one store share: its client, the prefix, and how its errors read.

use std::error::Error as StdError;

use crate::client::{Backend, refusal_code};
use crate::error::{Error, NodeError};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) backend: Backend,
    pub(crate) prefix: Box<str>,
}

impl Shared {
    /// The error of a command that the server refused, or never answered.
    pub(crate) fn refused(&self, keys: &str, error: NodeError) -> Error {
        let text = error.to_string();
        let reason = match refusal_code(&error) {
            Some("WRONGTYPE") => {
                "a value of another type is stored there (WRONGTYPE); use the commands of that type, or delete the key first"
            }
            // The arguments are numbers by their types, so that it can only be what is stored.
            Some("ERR") if text.contains("not an integer") => {
                "what is stored there is not an integer of 64 bits; set it to one, or delete the key first"
            }
            Some("ERR") if text.contains("not a float") || text.contains("not a valid float") => {
                "what is stored there is not a number; set it to one, or delete the key first"
            }
            Some("ERR") if text.contains("overflow") => {
                "the result is not an integer of 64 bits, so nothing was changed; count in smaller steps, or start anew"
            }
            _ => return self.backend.error(error),
        };
        self.value(keys, reason, Box::new(error))
    }

    /// The error of an answer that is not what was asked for.
    pub(crate) fn undecodable(&self, keys: &str, error: Box<dyn StdError + Send + Sync>) -> Error {
        let reason = format!(
            "what is stored there does not decode ({error}); read it as the type it was written as, or delete the key"
        );
        self.value(keys, reason, error)
    }

    /// The error of an argument that cannot be sent.
    pub(crate) fn unwritable(&self, keys: &str, error: Box<dyn StdError + Send + Sync>) -> Error {
        let reason = format!("nothing was sent: {error}");
        self.value(keys, reason, error)
    }

    /// The error of a key that a `String` cannot name.
    pub(crate) fn unnameable(&self, key: &str, error: Box<dyn StdError + Send + Sync>) -> Error {
        let reason = "the key is not UTF-8, so another program must have made it; reach it over `connection()`, or rename it";
        self.value(key, reason, error)
    }

    fn value(
        &self,
        keys: &str,
        reason: impl Into<Box<str>>,
        source: Box<dyn StdError + Send + Sync>,
    ) -> Error {
        Error::Value {
            client: self.backend.name().into(),
            key: keys.into(),
            reason: reason.into(),
            source: Some(source),
        }
    }
}
