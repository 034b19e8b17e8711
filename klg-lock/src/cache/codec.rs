//! How values become bytes: MessagePack, JSON, or a codec of the application's own.

use std::error::Error;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config;

/// What went wrong with a value or its bytes.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// How values become bytes and bytes become values.
///
/// Implement it for a format that this crate does not bring. What was written by a codec of another
/// [`name`](Self::name) reads as a miss, so change the name when the format changes.
///
/// ```
/// use klg_lock::cache::{Codec, CodecError};
/// use serde::{Serialize, de::DeserializeOwned};
///
/// #[derive(Clone, Copy)]
/// struct Pretty;
///
/// impl Codec for Pretty {
///     fn name(&self) -> &'static str {
///         "pretty-json"
///     }
///     fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
///         Ok(serde_json::to_vec_pretty(value)?)
///     }
///     fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
///         Ok(serde_json::from_slice(bytes)?)
///     }
/// }
/// ```
pub trait Codec: Clone + Send + Sync + 'static {
    /// Names the format and its version.
    fn name(&self) -> &'static str;

    /// Writes a value.
    ///
    /// # Errors
    /// Whatever makes the value impossible to write; it is then not cached.
    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError>;

    /// Reads a value.
    ///
    /// # Errors
    /// Bytes that are no such value; the entry is then a miss, and is replaced.
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError>;
}

/// MessagePack with field names: small, fast, and safe against fields that change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePack;

impl Codec for MessagePack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        Ok(rmp_serde::to_vec_named(value)?)
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

/// JSON: readable by people and other programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

impl Codec for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        Ok(serde_json::to_vec(value)?)
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// The codec that a configuration names.
impl Codec for config::Codec {
    fn name(&self) -> &'static str {
        match self {
            Self::MessagePack => MessagePack.name(),
            Self::Json => Json.name(),
        }
    }

    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::MessagePack => MessagePack.encode(value),
            Self::Json => Json.encode(value),
        }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::MessagePack => MessagePack.decode(bytes),
            Self::Json => Json.decode(bytes),
        }
    }
}

/// What a value is, as the entry's head records it: its type and its codec. FNV-1a, which is the
/// same in every build and process.
pub(crate) fn fingerprint((type_name, codec): (&str, &str)) -> u64 {
    let bytes = type_name.bytes().chain([0]).chain(codec.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
