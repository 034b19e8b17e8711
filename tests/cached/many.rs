//! Several ids at once.

use std::collections::HashMap;

use klg_lock::cached_many;

use super::*;

impl Source {
    #[cached_many("user:{id}", keys = ids, ttl = "5m", tags = ["users", "tenant:{self.tenant}"])]
    pub(crate) async fn find_many(&self, ids: Vec<u64>) -> Result<HashMap<u64, User>, AppError> {
        self.asked.lock().unwrap().push(ids.clone());
        let load = self.load();
        let known = ids.into_iter().filter(|id| *id != 404);
        Ok(known.map(|id| (id, User { id, load })).collect())
    }

    #[cached_many("{tenant}:{number}", keys = numbers, scope = "square", condition = !numbers.is_empty())]
    pub(crate) async fn squares(
        &self,
        tenant: &str,
        mut numbers: Vec<u64>,
    ) -> HashMap<u64, String> {
        self.asked.lock().unwrap().push(numbers.clone());
        numbers.retain(|number| *number < 100);
        let square = |number| (number, format!("{tenant}{}", number * number));
        numbers.into_iter().map(square).collect()
    }
}

#[tokio::test]
async fn of_several_ids_only_the_missing_ones_are_loaded_in_their_order() {
    on_each(async |registry, source| {
        assert_eq!(source.find(3).await.unwrap().load, 1);
        let found = source.find_many(vec![5, 3, 404, 9, 5]).await.unwrap();
        let loads = |found: &HashMap<u64, User>| {
            let mut loads: Vec<_> = found.iter().map(|(id, user)| (*id, user.load)).collect();
            loads.sort_unstable();
            loads
        };
        assert_eq!(loads(&found), [(3, 1), (5, 2), (9, 2)]);
        assert_eq!(*source.asked.lock().unwrap(), [[5, 404, 9]]);
        // What they have in common with the other function is the key, the type and the tags.
        assert_eq!(source.find(9).await.unwrap().load, 2);
        let again = source.find_many(vec![9, 5, 3]).await.unwrap();
        assert_eq!(loads(&again), loads(&found));
        assert_eq!(source.asked.lock().unwrap().len(), 1);
        registry.cache().evict_tag("tenant:acme").await.unwrap();
        let anew = source.find_many(vec![9, 5]).await.unwrap();
        assert_eq!(loads(&anew), [(5, 3), (9, 3)]);
        assert_eq!(*source.asked.lock().unwrap(), [vec![5, 404, 9], vec![9, 5]]);
    })
    .await;
}

#[tokio::test]
async fn several_ids_of_a_function_that_cannot_fail() {
    on_each(async |registry, source| {
        assert!(source.squares("a", Vec::new()).await.is_empty());
        let squares = source.squares("a", vec![2, 3, 100]).await;
        assert_eq!((squares.len(), &*squares[&3]), (2, "a9"));
        assert_eq!(source.squares("b", vec![3]).await[&3], "b9");
        assert_eq!(source.squares("a", vec![2, 3]).await.len(), 2);
        let asked = source.asked.lock().unwrap().clone();
        assert_eq!(asked, [vec![], vec![2, 3, 100], vec![3]]);
        let kept = registry.cache().get("square:a:2").await.unwrap();
        assert_eq!(kept, Some("a4".to_owned()));
    })
    .await;
}
