//! Values of `serde` types: wrappers that say how they are written, and shorthands for them.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::value::{CodecError, Decode, Encode};
use super::{Call, Store};
use crate::error::Error;

/// A `serde` value, stored as JSON: readable by people and other programs.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::store::{Json, Store};
///
/// # let store = Store::connect(&klg_lock::ClientConfig::default().uri("memory://")).await?;
/// // Wherever a value goes, and not with `set_json` alone:
/// store.rpush("primes", Json([2, 3, 5])).await?;
/// let Json(primes): Json<Vec<u32>> = store.lpop("primes").await?.unwrap_or_default();
/// assert_eq!(primes, [2, 3, 5]);
/// # Ok(()) }
/// ```
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

#[cfg(feature = "json")]
impl<T: Serialize> Encode for Json<T> {
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(Cow::Owned(serde_json::to_vec(&self.0)?))
    }
}

#[cfg(feature = "json")]
impl<T: DeserializeOwned> Decode for Json<T> {
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Ok(Self(serde_json::from_slice(&bytes)?))
    }
}

/// A `serde` value, stored as MessagePack: smaller than JSON, and faster to read. Fields are
/// written with their names, so that adding one with a default keeps old values readable.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessagePack<T>(pub T);

#[cfg(feature = "msgpack")]
impl<T: Serialize> Encode for MessagePack<T> {
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(Cow::Owned(rmp_serde::to_vec_named(&self.0)?))
    }
}

#[cfg(feature = "msgpack")]
impl<T: DeserializeOwned> Decode for MessagePack<T> {
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Ok(Self(rmp_serde::from_slice(&bytes)?))
    }
}

macro_rules! shorthands {
    ($feature:literal, $wrapper:ident, $format:literal, $set:ident, $set_ex:ident, $get:ident) => {
        #[cfg(feature = $feature)]
        impl Store {
            #[doc = concat!("Stores a `serde` value as ", $format, ".")]
            pub fn $set<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Call<()> {
                self.set(key, $wrapper(value))
            }

            #[doc = concat!("Stores a `serde` value as ", $format, " that expires.")]
            pub fn $set_ex<T: Serialize + ?Sized>(
                &self,
                key: &str,
                value: &T,
                ttl: Duration,
            ) -> Call<()> {
                self.set_ex(key, $wrapper(value), ttl)
            }

            #[doc = concat!("The `serde` value that is stored as ", $format, " under a key, if there is one.")]
            pub fn $get<T: DeserializeOwned>(
                &self,
                key: &str,
            ) -> impl Future<Output = Result<Option<T>, Error>> + Send + use<T> {
                let call = self.get(key);
                async move { Ok(call.await?.map(|$wrapper(value)| value)) }
            }
        }
    };
}
shorthands!("json", Json, "JSON", set_json, set_json_ex, get_json);
shorthands!(
    "msgpack",
    MessagePack,
    "MessagePack",
    set_msgpack,
    set_msgpack_ex,
    get_msgpack
);
