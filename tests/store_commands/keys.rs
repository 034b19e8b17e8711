//! Keys whatever they hold: there or not, expiring, renamed, deleted; and the walk over their names.

use std::collections::BTreeSet;

use klg_lock::store::Expiry;

use super::*;

#[tokio::test]
async fn keys_and_expiry() {
    on_both(|store| async move {
        store.mset(&[("a", 1), ("b", 2), ("c", 3)]).await.unwrap();
        assert!(store.exists("a").await.unwrap());
        assert!(!store.exists("none").await.unwrap());
        assert_eq!(store.exists_many(&["a", "b", "none"]).await.unwrap(), 2);
        assert_eq!(store.ttl("none").await.unwrap(), Expiry::Missing);
        assert!(store.expire("a", MINUTE).await.unwrap());
        assert!(!store.expire("none", MINUTE).await.unwrap());
        assert!(matches!(store.ttl("a").await.unwrap(), Expiry::In(_)));
        store.rename("a", "renamed").await.unwrap();
        assert!(matches!(store.ttl("renamed").await.unwrap(), Expiry::In(_)));
        assert!(store.persist("renamed").await.unwrap());
        assert!(!store.persist("renamed").await.unwrap());
        assert!(store.del("renamed").await.unwrap());
        assert!(!store.del("renamed").await.unwrap());
        assert_eq!(store.del_many(&["a", "b", "c"]).await.unwrap(), 2);
        store
            .set_ex("short", 1, Duration::from_millis(20))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
        assert_eq!(store.get::<i64>("short").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn scanning_gives_the_names_back_without_the_prefix() {
    on_both(|store| async move {
        let names: Vec<String> = (0..50).map(|i| format!("user:{i}")).collect();
        for name in &names {
            store.set(name, 1).await.unwrap();
        }
        store.set("other", 1).await.unwrap();
        let found: BTreeSet<String> = store
            .scan("user:*")
            .batch(7)
            .all()
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(found, names.into_iter().collect());
        assert_eq!(store.scan("user:4[2]").all().await.unwrap(), ["user:42"]);
        assert_eq!(store.scan("*").all().await.unwrap().len(), 51);
        let mut none = store.scan("none");
        assert!(none.next().await.is_none());
        assert!(none.next().await.is_none(), "and stays so");
    })
    .await;
}

#[tokio::test]
async fn a_prefix_is_no_pattern() {
    for uri in ["memory://patterns", &Server::start().uri()] {
        let config = |prefix| ClientConfig::default().uri(uri).prefix(prefix);
        let star = Store::connect(&config("a*:")).await.unwrap();
        let plain = Store::connect(&config("ab:")).await.unwrap();
        plain.set("k", 1).await.unwrap();
        star.set("mine", 1).await.unwrap();
        assert_eq!(star.scan("*").all().await.unwrap(), ["mine"]);
    }
}
