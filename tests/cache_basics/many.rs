//! Several values at once.

use std::collections::HashMap;

use super::*;

everywhere! {
    several_keys_go_in_one_round_trip(registry, settings()) {
        let cache = registry.cache();
        cache.put_many([("a", &1_u32), ("b", &2)]).await.unwrap();
        let values: Vec<Option<u32>> = cache.get_many(["a", "missing", "b"]).await.unwrap();
        assert_eq!(values, [Some(1), None, Some(2)]);
        assert_eq!(cache.get_many::<u32, _, _>([""; 0]).await.unwrap(), []);
    }

    a_load_of_several_ids_is_asked_for_the_missing_ones_alone(registry, settings()) {
        let cache = registry.cache();
        cache.put("n:2", &20_u32).await.unwrap();
        let load = |missing: Vec<u32>| async move {
            let mut missing = missing;
            missing.sort_unstable();
            assert_eq!(missing, [1, 3, 4]);
            // There is no 4.
            Ok::<_, Failure>(HashMap::from([(1, 10_u32), (3, 30)]))
        };
        let all = ok(cache.using_many(vec![1, 2, 3, 4], |id| format!("n:{id}"), load)).await;
        assert_eq!(all, HashMap::from([(1, 10), (2, 20), (3, 30)]));
        let found: Vec<Option<u32>> = cache.get_many(["n:1", "n:2", "n:3", "n:4"]).await.unwrap();
        assert_eq!(found, [Some(10), Some(20), Some(30), None]);
        let again = cache.using_many(vec![3, 1], |id| format!("n:{id}"), |missing: Vec<u32>| async move {
            panic!("{missing:?} are cached")
        });
        assert_eq!(ok::<HashMap<u32, u32>>(again).await.len(), 2);
        // What was not there is free to be loaded at once.
        let begun = tokio::time::Instant::now();
        let four: u32 = cache.using_value("n:4", || async { 40 }).await;
        assert!(four == 40 && begun.elapsed() < SECOND);
    }

    a_load_of_several_ids_does_not_undo_an_eviction(registry, settings()) {
        let cache = registry.cache();
        let load = |missing: Vec<u32>| {
            let cache = cache.clone();
            async move {
                cache.evict("n:1").await.unwrap();
                cache.put("n:2", &2_u32).await.unwrap();
                Ok::<_, Failure>(missing.into_iter().map(|id| (id, id * 10)).collect::<HashMap<_, _>>())
            }
        };
        let all = ok(cache.using_many(vec![1, 2, 3], |id| format!("n:{id}"), load)).await;
        assert_eq!(all, HashMap::from([(1, 10), (2, 20), (3, 30)]));
        let found: Vec<Option<u32>> = cache.get_many(["n:1", "n:2", "n:3"]).await.unwrap();
        assert_eq!(found, [None, Some(2), Some(30)]);
        let failing = |_: Vec<u32>| async { Err::<HashMap<u32, u32>, _>(Failure) };
        assert!(cache.using_many(vec![9], |id| format!("n:{id}"), failing).await.is_err());
        assert_eq!(cache.using_value("n:9", || async { 9_u32 }).await, 9);
    }
}
