//! Sets in the order of their scores.

use super::*;

#[tokio::test]
async fn sorted_sets() {
    on_both(|store| async move {
        let owned = |pairs: &[(&str, f64)]| -> Vec<(String, f64)> {
            pairs
                .iter()
                .map(|(member, score)| ((*member).to_owned(), *score))
                .collect()
        };
        assert!(store.zadd("z", "b", 2.0).await.unwrap());
        assert!(!store.zadd("z", "b", 2.5).await.unwrap());
        assert_eq!(
            store
                .zadd_many("z", &[("a", 1.0), ("c", 3.0), ("inf", f64::INFINITY)])
                .await
                .unwrap(),
            3
        );
        assert_eq!(store.zscore("z", "b").await.unwrap(), Some(2.5));
        assert_eq!(store.zscore("z", "none").await.unwrap(), None);
        assert_eq!(store.zscore("z", "inf").await.unwrap(), Some(f64::INFINITY));
        assert_eq!(store.zincr_by("z", "b", -0.5).await.unwrap(), 2.0);
        assert_eq!(store.zcard("z").await.unwrap(), 4);
        assert_eq!(store.zcount("z", 1.0..=2.0).await.unwrap(), 2);
        assert_eq!(store.zcount("z", ..2.0).await.unwrap(), 1);
        assert_eq!(store.zcount("z", ..).await.unwrap(), 4);
        assert_eq!(store.zrank("z", "c").await.unwrap(), Some(2));
        assert_eq!(store.zrevrank("z", "c").await.unwrap(), Some(1));
        assert_eq!(store.zrank("z", "none").await.unwrap(), None);
        assert_eq!(
            store.zrange::<String>("z", 0, -2).await.unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(
            store.zrange_with_scores::<String>("z", 0, 1).await.unwrap(),
            owned(&[("a", 1.0), ("b", 2.0)])
        );
        assert_eq!(
            store.zrevrange::<String>("z", 1, 2).await.unwrap(),
            ["c", "b"]
        );
        assert_eq!(
            store
                .zrevrange_with_scores::<String>("z", 1, 1)
                .await
                .unwrap(),
            owned(&[("c", 3.0)])
        );
        assert_eq!(
            store.zrange_by_score::<String>("z", 2.0..).await.unwrap(),
            ["b", "c", "inf"]
        );
        assert_eq!(
            store
                .zrange_by_score_with_scores::<String>("z", 1.0..3.0)
                .await
                .unwrap(),
            owned(&[("a", 1.0), ("b", 2.0)])
        );
        assert_eq!(
            store.zpop_max::<String>("z").await.unwrap(),
            Some(("inf".to_owned(), f64::INFINITY))
        );
        assert_eq!(
            store.zpop_min::<String>("z").await.unwrap(),
            Some(("a".to_owned(), 1.0))
        );
        assert_eq!(store.zrem_range_by_score("z", 2.0..=2.0).await.unwrap(), 1);
        assert_eq!(store.zrem_range_by_rank("z", 0, 0).await.unwrap(), 1);
        assert_eq!(store.zpop_min::<String>("z").await.unwrap(), None);
        store.zadd("z", "x", 1.0).await.unwrap();
        assert!(store.zrem("z", "x").await.unwrap());
        assert_eq!(store.zrem_many("z", &["x", "y"]).await.unwrap(), 0);
    })
    .await;
}
