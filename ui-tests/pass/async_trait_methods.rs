//! `async_trait` makes boxed futures of its methods before the attributes see them; these are
//! rewritten in place. Default methods too.
#![deny(warnings)]

use std::sync::Arc;

use async_trait::async_trait;
use klg_lock::{LockError, buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, Probe, is_locked, journal, on_memory, send};

struct Params {
    key: String,
}

#[async_trait]
trait Users: Send + Sync {
    fn prefix(&self) -> &str;

    async fn find(&self, id: u64) -> Result<String, AppError>;

    async fn rename(&mut self, params: Params, mut name: String) -> Result<String, AppError>;

    async fn take(
        self: Arc<Self>,
        probe: Probe,
        _: Probe,
        pair: (Probe, u8),
    ) -> Result<u8, AppError>;

    #[mutex_lock("default:{id}", guard = lock)]
    async fn twice(&self, id: u64, _unused: &str) -> Result<(String, bool), AppError> {
        assert!(is_locked("default:1").await);
        Ok((self.find(id).await?, lock.is_valid()))
    }
}

struct InMemory {
    prefix: String,
}

#[async_trait]
impl Users for InMemory {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    #[mutex_lock("{self.prefix}:{id}")]
    async fn find(&self, id: u64) -> Result<String, AppError> {
        if id == 0 {
            return Err(AppError::Other("zero".into()));
        }
        assert!(is_locked(&format!("{}:1", self.prefix)).await);
        Ok(format!("{}{id}", self.prefix()))
    }

    #[buffer_lock]
    async fn rename(
        &mut self,
        #[lock_key("key")] params: Params,
        mut name: String,
    ) -> Result<String, AppError> {
        assert!(is_locked("key").await);
        self.prefix.push('!');
        name.push_str(&params.key);
        Ok(name)
    }

    #[mutex_lock("take", on_locked = Ok(0), on_error = |error| Err(error.into()))]
    async fn take(
        self: Arc<Self>,
        _probe: Probe,
        _: Probe,
        (_inner, n): (Probe, u8),
    ) -> Result<u8, AppError> {
        Ok(n)
    }
}

#[async_trait(?Send)]
trait Local {
    async fn local(&self) -> Result<u8, LockError>;
}

#[async_trait(?Send)]
impl Local for InMemory {
    #[mutex_lock("local")]
    async fn local(&self) -> Result<u8, LockError> {
        let shared = std::rc::Rc::new(1);
        tokio::task::yield_now().await;
        Ok(*shared)
    }
}

fn main() {
    on_memory(async {
        let mut users = InMemory {
            prefix: "users".into(),
        };
        assert_eq!(send(users.find(1)).await.unwrap(), "users1");
        assert!(users.find(0).await.is_err());
        assert_eq!(
            send(users.twice(1, "")).await.unwrap(),
            ("users1".into(), true)
        );
        let params = Params { key: "key".into() };
        assert_eq!(
            send(users.rename(params, "n".into())).await.unwrap(),
            "nkey"
        );
        assert_eq!(users.local().await.unwrap(), 1);
        let users: Arc<dyn Users> = Arc::new(users);
        assert_eq!(users.find(1).await.unwrap(), "users!1");
        let taken = users.take(Probe("probe"), Probe("wild"), (Probe("inner"), 4));
        assert_eq!(send(taken).await.unwrap(), 4);
        let journal = journal();
        assert_eq!(journal.len(), 3, "{journal:?}");
        assert!(
            journal.iter().all(|line| line.ends_with("under the lock")),
            "{journal:?}"
        );
    });
}
