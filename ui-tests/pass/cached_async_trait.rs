//! Below `async_trait`, also with a refresh in the background.
#![deny(warnings)]

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use klg_lock::{cache_evict, cache_put, cached, cached_many, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory, send};

#[async_trait]
trait Users: Send + Sync {
    async fn find(&self, id: u64) -> Result<String, AppError>;
    async fn find_many(&self, ids: Vec<u64>) -> Result<HashMap<u64, String>, AppError>;
    async fn rename(&mut self, id: u64, name: String) -> Result<String, AppError>;
    async fn delete(self: Arc<Self>, id: u64, _: u8) -> Result<(), AppError>;
    async fn refreshed(&self, id: u64) -> Option<String>;

    #[cached("default:{id}")]
    async fn twice(&self, id: u64, _unused: &str) -> Result<String, AppError> {
        Ok(self.find(id).await?.repeat(2))
    }
}

#[derive(Clone)]
struct InMemory {
    prefix: String,
}

#[async_trait]
impl Users for InMemory {
    #[cached("{self.prefix}:{id}")]
    #[mutex_lock("lock:{id}")]
    async fn find(&self, id: u64) -> Result<String, AppError> {
        if id == 0 {
            return Err(AppError::Other("zero".into()));
        }
        Ok(format!("{}{id}", self.prefix))
    }

    #[cached_many("{self.prefix}:{id}", keys = ids)]
    async fn find_many(&self, ids: Vec<u64>) -> Result<HashMap<u64, String>, AppError> {
        let named = |id| (id, format!("{} of many", self.prefix));
        Ok(ids.into_iter().map(named).collect())
    }

    #[cache_put("{self.prefix}:{id}")]
    async fn rename(&mut self, id: u64, mut name: String) -> Result<String, AppError> {
        name.push('!');
        self.prefix.truncate(if id > 0 { usize::MAX } else { 0 });
        Ok(name)
    }

    #[cache_evict(scope = "users")]
    async fn delete(self: Arc<Self>, #[cache_key] id: u64, _: u8) -> Result<(), AppError> {
        assert!(id > 0);
        Ok(())
    }

    #[cached("refreshed:{id}", stale = "1h", refresh = background)]
    async fn refreshed(&self, id: u64) -> Option<String> {
        Some(format!("{} {id}", self.prefix))
    }
}

fn main() {
    on_memory(async {
        let mut users = InMemory {
            prefix: "users".into(),
        };
        assert_eq!(send(users.find(1)).await.unwrap(), "users1");
        assert!(users.find(0).await.is_err());
        let many = send(users.find_many(vec![1, 2])).await.unwrap();
        assert_eq!((&*many[&1], &*many[&2]), ("users1", "users of many"));
        let renamed = users.rename(1, "Ann".into()).await.unwrap();
        assert_eq!(users.find(1).await.unwrap(), renamed);
        assert_eq!(users.twice(1, "").await.unwrap(), "Ann!Ann!");
        let refreshed = send(users.refreshed(3)).await;
        assert_eq!(refreshed.as_deref(), Some("users 3"));
        let users: Arc<dyn Users> = Arc::new(users);
        users.clone().delete(1, 0).await.unwrap();
        assert_eq!(send(users.find(1)).await.unwrap(), "users1");
    });
}
