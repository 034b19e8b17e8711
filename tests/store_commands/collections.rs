//! Hashes, lists and sets.

use std::collections::HashMap;

use klg_lock::store::Side;

use super::*;

#[tokio::test]
async fn hashes() {
    on_both(|store| async move {
        assert!(store.hset("h", "a", 1).await.unwrap());
        assert!(!store.hset("h", "a", 2).await.unwrap());
        assert_eq!(
            store.hset_many("h", &[("a", 1), ("b", 2)]).await.unwrap(),
            1
        );
        assert!(!store.hset_nx("h", "a", 9).await.unwrap());
        assert!(store.hset_nx("h", "c", 3).await.unwrap());
        assert_eq!(store.hget::<i64>("h", "a").await.unwrap(), Some(1));
        assert_eq!(store.hget::<i64>("h", "none").await.unwrap(), None);
        let some: Vec<Option<i64>> = store.hmget("h", &["c", "none", "a"]).await.unwrap();
        assert_eq!(some, [Some(3), None, Some(1)]);
        let all: HashMap<String, i64> = store.hgetall("h").await.unwrap();
        let expected =
            [("a", 1), ("b", 2), ("c", 3)].map(|(field, value)| (field.to_owned(), value));
        assert_eq!(all, HashMap::from(expected));
        assert!(store.hgetall::<i64>("none").await.unwrap().is_empty());
        assert_eq!(sorted(store.hkeys("h").await.unwrap()), ["a", "b", "c"]);
        assert_eq!(sorted(store.hvals::<i64>("h").await.unwrap()), [1, 2, 3]);
        assert_eq!(store.hlen("h").await.unwrap(), 3);
        assert!(store.hexists("h", "a").await.unwrap());
        assert_eq!(store.hincr_by("h", "a", 4).await.unwrap(), 5);
        assert_eq!(store.hincr_by_float("h", "f", 0.5).await.unwrap(), 0.5);
        assert!(store.hdel("h", "a").await.unwrap());
        assert!(!store.hdel("h", "a").await.unwrap());
        assert_eq!(
            store
                .hdel_many("h", &["b", "c", "f", "none"])
                .await
                .unwrap(),
            3
        );
        assert!(!store.exists("h").await.unwrap(), "an empty hash is gone");
    })
    .await;
}

#[tokio::test]
async fn lists() {
    on_both(|store| async move {
        assert_eq!(store.rpush("l", "b").await.unwrap(), 1);
        assert_eq!(store.lpush("l", "a").await.unwrap(), 2);
        assert_eq!(store.rpush_many("l", &["c", "d"]).await.unwrap(), 4);
        assert_eq!(store.lpush_many("l", &["y", "x"]).await.unwrap(), 6);
        let all: Vec<String> = store.lrange("l", 0, -1).await.unwrap();
        assert_eq!(all, ["x", "y", "a", "b", "c", "d"]);
        assert_eq!(
            store.lrange::<String>("l", -2, 100).await.unwrap(),
            ["c", "d"]
        );
        assert_eq!(
            store.lrange::<String>("l", 3, 1).await.unwrap(),
            <[String; 0]>::default()
        );
        assert_eq!(store.llen("l").await.unwrap(), 6);
        assert_eq!(
            store.lindex::<String>("l", -1).await.unwrap().as_deref(),
            Some("d")
        );
        assert_eq!(store.lindex::<String>("l", 9).await.unwrap(), None);
        store.lset("l", 0, "z").await.unwrap();
        assert_eq!(
            store.lpop::<String>("l").await.unwrap().as_deref(),
            Some("z")
        );
        assert_eq!(
            store.rpop::<String>("l").await.unwrap().as_deref(),
            Some("d")
        );
        let moved: Option<String> = store
            .lmove("l", "l2", Side::Left, Side::Right)
            .await
            .unwrap();
        assert_eq!(moved.as_deref(), Some("y"));
        store.ltrim("l", 0, 1).await.unwrap();
        assert_eq!(
            store.lrange::<String>("l", 0, -1).await.unwrap(),
            ["a", "b"]
        );
        store.rpush_many("l", &["a", "b", "a"]).await.unwrap();
        assert_eq!(store.lrem("l", -1, "a").await.unwrap(), 1);
        assert_eq!(
            store.lrange::<String>("l", 0, -1).await.unwrap(),
            ["a", "b", "a", "b"]
        );
        assert_eq!(store.lrem("l", 1, "a").await.unwrap(), 1);
        assert_eq!(store.lrem("l", 0, "b").await.unwrap(), 2);
        assert_eq!(
            store.lpop::<String>("l").await.unwrap().as_deref(),
            Some("a")
        );
        assert_eq!(store.lpop::<String>("l").await.unwrap(), None);
        assert!(!store.exists("l").await.unwrap(), "an empty list is gone");
    })
    .await;
}

#[tokio::test]
async fn sets() {
    on_both(|store| async move {
        assert!(store.sadd("s", 1).await.unwrap());
        assert!(!store.sadd("s", 1).await.unwrap());
        assert_eq!(store.sadd_many("s", &[1, 2, 3]).await.unwrap(), 2);
        assert_eq!(sorted(store.smembers::<i64>("s").await.unwrap()), [1, 2, 3]);
        assert!(store.sismember("s", 2).await.unwrap());
        assert!(!store.sismember("s", 9).await.unwrap());
        assert_eq!(store.smismember("s", &[1, 9]).await.unwrap(), [true, false]);
        assert_eq!(store.scard("s").await.unwrap(), 3);
        store.sadd_many("t", &[3, 4]).await.unwrap();
        assert_eq!(store.sinter::<i64>(&["s", "t"]).await.unwrap(), [3]);
        assert_eq!(
            sorted(store.sunion::<i64>(&["s", "t"]).await.unwrap()),
            [1, 2, 3, 4]
        );
        assert_eq!(
            sorted(store.sdiff::<i64>(&["s", "t"]).await.unwrap()),
            [1, 2]
        );
        assert!(store.smove("s", "t", 1).await.unwrap());
        assert!(!store.smove("s", "t", 1).await.unwrap());
        assert!(store.srem("s", 2).await.unwrap());
        assert_eq!(store.srandmember::<i64>("s").await.unwrap(), Some(3));
        assert_eq!(store.spop::<i64>("s").await.unwrap(), Some(3));
        assert_eq!(store.spop::<i64>("s").await.unwrap(), None);
        assert_eq!(store.srem_many("t", &[1, 3, 4, 9]).await.unwrap(), 3);
        assert!(!store.exists("t").await.unwrap(), "an empty set is gone");
    })
    .await;
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}
