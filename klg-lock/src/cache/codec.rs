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

/// What a value is, as the entry's head records it: its type and its codec. Each word of eight bytes
/// is mixed in by a multiplication, which comes to the same in every build and process.
pub(crate) fn fingerprint((type_name, codec): (&str, &str)) -> u64 {
    [type_name, codec]
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, text| {
            let (words, rest) = text.as_bytes().as_chunks::<8>();
            let mut last = [0; 8];
            for (place, byte) in last.iter_mut().zip(rest) {
                *place = *byte;
            }
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            let words = words.iter().copied().chain([last]).map(u64::from_le_bytes);
            words.chain([length]).fold(hash, |hash: u64, word| {
                let mixed = (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                // The product's upper half is the better mixed one.
                mixed ^ (mixed >> 32)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_codecs_tell_values_apart_in_every_build() {
        assert_eq!(fingerprint(("u32", "json")), fingerprint(("u32", "json")));
        let names = [
            "u32",
            "u64",
            "u3",
            "alloc::string::String",
            "alloc::string::Strinh",
            "",
        ];
        let mut all = Vec::new();
        for name in names {
            all.extend(["json", "msgpack", ""].map(|codec| fingerprint((name, codec))));
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 18);
    }
}
