//! Messages on channels.

use klg_lock::store::Json;

use super::*;

#[tokio::test]
async fn channels() {
    on_both(|store| async move {
        let mut by_name = store.subscribe(&["news", "other"]).await.unwrap();
        let mut by_pattern = store.psubscribe(&["ne?s"]).await.unwrap();
        assert_eq!(store.publish("news", "hello").await.unwrap(), 2);
        let message = by_name.next().await.unwrap();
        assert_eq!(
            (message.channel.as_str(), &message.pattern),
            ("news", &None)
        );
        assert_eq!(message.decode::<String>().unwrap(), "hello");
        assert!(
            message
                .decode::<i64>()
                .unwrap_err()
                .to_string()
                .contains("key \"news\"")
        );
        let message = by_pattern.next().await.unwrap();
        assert_eq!(
            (message.channel.as_str(), message.pattern.as_deref()),
            ("news", Some("ne?s"))
        );
        assert_eq!(store.publish("nobody", 1).await.unwrap(), 0);
        assert_eq!(store.publish("other", Json([1, 2])).await.unwrap(), 1);
        let Json(numbers): Json<[i32; 2]> = by_name.next().await.unwrap().decode().unwrap();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(by_name.reconnects(), 0);
        drop(by_pattern);
        let error = store.subscribe::<&str>(&[]).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "configuration: no channel is named; name at least one"
        );
    })
    .await;
}
