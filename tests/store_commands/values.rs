//! Values of any type, as JSON and MessagePack.

use klg_lock::store::{Json, MessagePack};

use super::*;

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct User {
    id: u64,
    name: String,
    tags: Vec<String>,
}

#[tokio::test]
async fn serde_values() {
    on_both(|store| async move {
        let user = User {
            id: 1,
            name: "Ada".to_owned(),
            tags: vec!["a".to_owned()],
        };
        store.set_json("json", &user).await.unwrap();
        assert_eq!(
            store.get_json::<User>("json").await.unwrap().as_ref(),
            Some(&user)
        );
        assert_eq!(
            store.get::<String>("json").await.unwrap().as_deref(),
            Some(r#"{"id":1,"name":"Ada","tags":["a"]}"#)
        );
        store.set_json_ex("json", &user, MINUTE).await.unwrap();
        store.set_msgpack("pack", &user).await.unwrap();
        store.set_msgpack_ex("pack", &user, MINUTE).await.unwrap();
        assert_eq!(
            store.get_msgpack::<User>("pack").await.unwrap().as_ref(),
            Some(&user)
        );
        assert_eq!(store.get_json::<User>("none").await.unwrap(), None);
        store.hset("h", "user", Json(&user)).await.unwrap();
        let Json(read): Json<User> = store.hget("h", "user").await.unwrap().unwrap();
        assert_eq!(read, user);
        store.rpush("l", MessagePack(&user)).await.unwrap();
        let MessagePack(read): MessagePack<User> = store.lpop("l").await.unwrap().unwrap();
        assert_eq!(read, user);
    })
    .await;
}
