//! `#[cached_many]`: the id by any name, a field of it, other arguments in the key, with and without
//! `Result`.
#![deny(warnings)]

use std::collections::HashMap;

use klg_lock::{cached_many, mutex_lock};
use klg_lock_ui_tests::{AppError, journal, note, on_memory, send};

type Names<K> = HashMap<K, String>;

struct Users {
    tenant: String,
}

impl Users {
    #[cached_many("{self.tenant}:{kind}:{which.0}:{which.1}", keys = ids, tags = ["{kind}"])]
    #[mutex_lock("{kind}")]
    async fn by_field(&self, kind: &str, mut ids: Vec<(u8, u8)>) -> Result<Names<(u8, u8)>, AppError> {
        note(format!("{ids:?}"));
        ids.retain(|id| id.0 > 0);
        Ok(ids.into_iter().map(|id| (id, format!("{kind}{}", id.0))).collect())
    }
}

#[cached_many(key = "name:{id}", keys = names)]
async fn plain<T>(names: Vec<String>, _other: T) -> HashMap<String, usize>
where
    T: Send,
{
    note(format!("{names:?}"));
    names.into_iter().map(|name| (name.clone(), name.len())).collect()
}

fn main() {
    on_memory(async {
        let users = Users { tenant: "acme".into() };
        let found = send(users.by_field("k", vec![(1, 2), (0, 1)])).await.unwrap();
        assert_eq!(found, HashMap::from([((1, 2), "k1".to_owned())]));
        assert_eq!(users.by_field("k", vec![(3, 4), (1, 2)]).await.unwrap().len(), 2);
        let cache = klg_lock::registry().unwrap().cache();
        let kept = cache.get("acme:k:3:4").await.unwrap();
        assert_eq!(kept, Some("k3".to_owned()));
        let names = || vec!["a".to_owned(), "bc".to_owned()];
        assert_eq!(send(plain(names(), ())).await["bc"], 2);
        assert_eq!(send(plain(names(), ())).await["a"], 1);
        assert_eq!(
            journal(),
            ["[(1, 2), (0, 1)]", "[(3, 4)]", r#"["a", "bc"]"#]
        );
    });
}
