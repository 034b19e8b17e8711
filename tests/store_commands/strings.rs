//! Texts and numbers under one key each.

use klg_lock::store::Expiry;

use super::*;

#[tokio::test]
async fn strings() {
    on_both(|store| async move {
        assert_eq!(store.get::<String>("kk").await.unwrap(), None);
        store.set_ex("kk", "vvv", MINUTE).await.unwrap();
        assert_eq!(store.get::<String>("kk").await.unwrap().as_deref(), Some("vvv"));
        store.set_keep_ttl("kk", "www").await.unwrap();
        assert!(matches!(store.ttl("kk").await.unwrap(), Expiry::In(left) if left <= MINUTE && !left.is_zero()));
        store.set("kk", vec![0_u8, 255]).await.unwrap();
        assert_eq!(store.get::<Vec<u8>>("kk").await.unwrap(), Some(vec![0, 255]));
        assert_eq!(store.ttl("kk").await.unwrap(), Expiry::Never);
        assert!(!store.set_nx("kk", 1).await.unwrap());
        assert!(store.set_nx("nx", 1).await.unwrap());
        assert!(store.set_nx_ex("nxex", true, MINUTE).await.unwrap());
        assert!(!store.set_nx_ex("nxex", false, MINUTE).await.unwrap());
        assert_eq!(store.get::<bool>("nxex").await.unwrap(), Some(true));
        assert!(store.set_xx("kk", "x").await.unwrap());
        assert!(!store.set_xx("none", "x").await.unwrap());
        assert_eq!(store.get_set::<String>("kk", "y").await.unwrap().as_deref(), Some("x"));
        assert_eq!(store.get_set::<String>("new", "y").await.unwrap(), None);
        assert_eq!(store.get_ex::<String>("kk", MINUTE).await.unwrap().as_deref(), Some("y"));
        assert!(matches!(store.ttl("kk").await.unwrap(), Expiry::In(_)));
        assert_eq!(store.get_del::<String>("kk").await.unwrap().as_deref(), Some("y"));
        assert_eq!(store.get_del::<String>("kk").await.unwrap(), None);
        store.mset(&[("a", 1), ("b", 2)]).await.unwrap();
        let values: Vec<Option<i64>> = store.mget(&["a", "none", "b"]).await.unwrap();
        assert_eq!(values, [Some(1), None, Some(2)]);
        assert_eq!(store.append("text", "ab").await.unwrap(), 2);
        assert_eq!(store.append("text", "cd").await.unwrap(), 4);
        assert_eq!(store.strlen("text").await.unwrap(), 4);
        assert_eq!(store.strlen("none").await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn counters() {
    on_both(|store| async move {
        assert_eq!(store.incr("n").await.unwrap(), 1);
        assert_eq!(store.incr_by("n", 41).await.unwrap(), 42);
        assert_eq!(store.decr("n").await.unwrap(), 41);
        assert_eq!(store.decr_by("n", 50).await.unwrap(), -9);
        assert_eq!(store.get::<i64>("n").await.unwrap(), Some(-9));
        assert_eq!(store.incr_by_float("f", 1.5).await.unwrap(), 1.5);
        assert_eq!(store.incr_by_float("f", -0.25).await.unwrap(), 1.25);
        assert_eq!(store.incr_by_float("n", 10.0).await.unwrap(), 1.0);
        assert_eq!(store.incr("n").await.unwrap(), 2);
    })
    .await;
}
