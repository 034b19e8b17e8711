//! Clients, codecs and names that the attribute chooses.

use klg_lock::cache::{Codec, CodecError};
use klg_lock::cached;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

impl Source {
    #[cached("other", client = "other")]
    async fn elsewhere(&self) -> u32 {
        self.load()
    }

    #[cached("nowhere", client = "nobody")]
    async fn nowhere(&self) -> u32 {
        self.load()
    }

    #[cached("json", codec = json)]
    async fn json(&self) -> u32 {
        self.load()
    }

    #[cached("own", codec = Reversed, name = "renamed")]
    async fn own_codec(&self) -> (u8, u8) {
        (1, u8::try_from(self.load()).unwrap())
    }
}

/// A codec of the application's own.
#[derive(Clone, Copy)]
struct Reversed;

impl Codec for Reversed {
    fn name(&self) -> &'static str {
        "reversed"
    }
    fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut bytes = serde_json::to_vec(value)?;
        bytes.reverse();
        Ok(bytes)
    }
    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let mut bytes = bytes.to_vec();
        bytes.reverse();
        Ok(serde_json::from_slice(&bytes)?)
    }
}

#[tokio::test]
async fn clients_and_codecs_are_chosen_by_name() {
    on_each(async |registry, source| {
        assert_eq!(source.elsewhere().await, 1);
        assert_eq!(source.elsewhere().await, 1);
        let other = registry.cache_on("other").unwrap();
        assert_eq!(other.get("other").await.unwrap(), Some(1_u32));
        // A client that is not there is no reason for a function not to run.
        assert_eq!((source.nowhere().await, source.nowhere().await), (2, 3));
        assert_eq!((source.json().await, source.json().await), (4, 4));
        assert_eq!(source.own_codec().await, (1, 5));
        assert_eq!(source.own_codec().await, (1, 5));
        let stats = registry.cache().stats();
        assert_eq!(stats.of("renamed").unwrap().l2_hits, 1);
        let json = registry.cache().entry("json").codec(klg_lock::cache::Json);
        assert_eq!(json.get().await.unwrap(), Some(4_u32));
    })
    .await;
}
