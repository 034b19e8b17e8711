//! Several commands in one message.

use std::collections::HashMap;

use super::*;

#[tokio::test]
async fn pipelines() {
    on_both(|store| async move {
        let pipeline = store
            .pipeline()
            .set("a", 1)
            .incr("a")
            .get("a")
            .hgetall("none");
        let ((), n, text, none): (_, i64, Option<String>, HashMap<String, String>) =
            pipeline.run().await.unwrap();
        assert_eq!((n, text.as_deref(), none.len()), (2, Some("2"), 0));
        let atomic = store.pipeline().atomic().incr("a").incr("a");
        assert_eq!(atomic.run::<Vec<i64>>().await.unwrap(), [3, 4]);
        assert_eq!(
            store.pipeline().run::<Vec<i64>>().await.unwrap(),
            <[i64; 0]>::default()
        );
        let wrong = store.pipeline().incr("a").lpush("a", 1).incr("a");
        let error = wrong
            .run::<(i64, u64, i64)>()
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("key \"a\"") && error.contains("WRONGTYPE"),
            "{error}"
        );
        let wrong = store.pipeline().atomic().incr("a").lpush("a", 1);
        let error = wrong.run::<(i64, u64)>().await.unwrap_err().to_string();
        assert!(
            error.contains("key \"a\"") && error.contains("WRONGTYPE"),
            "{error}"
        );
        assert_eq!(
            store.get::<i64>("a").await.unwrap(),
            Some(7),
            "the others were carried out"
        );
        let error = store
            .pipeline()
            .incr("a")
            .run::<(i64, i64)>()
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("1 commands was to be read as 2 answers"),
            "{error}"
        );
    })
    .await;
}
