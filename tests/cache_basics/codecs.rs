//! Values that do not read as what is asked for.

use std::collections::BTreeMap;

use klg_lock::cache::{Codec, CodecError, Json};
use serde::de::DeserializeOwned;

use super::*;

everywhere! {
    another_type_or_codec_reads_as_a_miss_and_is_replaced(registry, settings()) {
        let cache = registry.cache();
        cache.put("k", &1_u32).await.unwrap();
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
        let text: String = cache.using_value("k", || async { "text".into() }).await;
        assert_eq!(text, "text");
        assert_eq!(cache.get("k").await.unwrap(), Some(text));
        let json: String = cache
            .entry("k")
            .codec(Json)
            .using_value(|| async { "json".into() })
            .await;
        assert_eq!(json, "json");
        assert_eq!(cache.get::<String>("k").await.unwrap(), None);
    }

    a_value_that_does_not_decode_is_replaced(registry, settings()) {
        #[derive(Clone)]
        struct Moody;
        impl Codec for Moody {
            fn name(&self) -> &'static str {
                "moody"
            }
            fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
                Json.encode(value)
            }
            fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
                if bytes == b"1" { Err("no".into()) } else { Json.decode(bytes) }
            }
        }
        let cache = registry.cache();
        let source = Source::default();
        for expected in [1, 2, 2, 2] {
            let entry = cache.entry("k").codec(Moody);
            assert_eq!(ok(entry.using(|| source.value())).await, expected);
        }
    }

    a_value_that_cannot_be_encoded_is_returned_all_the_same(registry, settings()) {
        let cache = registry.cache();
        let source = Source::default();
        for load in 1..=2 {
            let map: BTreeMap<(u32, u32), u32> = cache
                .entry("k")
                .codec(Json)
                .using_value(|| async { BTreeMap::from([((1, 1), source.next())]) })
                .await;
            assert_eq!(map[&(1, 1)], load);
        }
        let unwritable = BTreeMap::from([((1, 1), 1)]);
        let put = cache.entry("k").codec(Json).put(&unwritable).await;
        assert!(matches!(put, Err(CacheError::Encode { .. })), "{put:?}");
    }
}

#[tokio::test]
async fn json_is_readable_where_it_is_asked_for() {
    let server = Server::start();
    let registry = open(
        &server.uri(),
        settings().codec(klg_lock::config::Codec::Json),
    )
    .await;
    let user = User {
        id: 1,
        name: "Ann".into(),
    };
    registry.cache().put("u", &user).await.unwrap();
    let stored: Vec<u8> = server.control().ask(&["GET", "t_cache:u"]);
    assert!(stored.ends_with(br#"{"id":1,"name":"Ann"}"#));
}

#[tokio::test]
async fn a_key_of_another_type_is_replaced() {
    let server = Server::start();
    let registry = open(&server.uri(), settings()).await;
    server.control().ask::<()>(&["LPUSH", "t_cache:k", "x"]);
    server.control().ask::<()>(&["SET", "t_cache:text", "x"]);
    let source = Source::default();
    for key in ["k", "text"] {
        let first = ok(registry.cache().using(key, || source.value())).await;
        assert_eq!(
            ok(registry.cache().using(key, || source.value())).await,
            first
        );
    }
}
