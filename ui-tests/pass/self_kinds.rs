//! `&self`, `&mut self`, `self`, `mut self`, `Arc<Self>`, `Box<Self>`, `Pin<&mut Self>`, none.
#![deny(warnings)]

use std::pin::Pin;
use std::sync::Arc;

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory, send};

struct Service {
    name: String,
    calls: u32,
}

impl Service {
    #[mutex_lock("new:{name}")]
    async fn new(name: &str) -> Result<Self, AppError> {
        assert!(is_locked("new:s").await);
        Ok(Self {
            name: name.into(),
            calls: 0,
        })
    }

    #[mutex_lock("{self.name}")]
    async fn shared(&self) -> Result<&str, AppError> {
        Ok(&self.name)
    }

    #[mutex_lock("{self.name}")]
    async fn exclusive(&mut self, by: u32) -> Result<&mut u32, AppError> {
        self.calls += by;
        Ok(&mut self.calls)
    }

    #[mutex_lock("{self.name}")]
    async fn pinned(self: Pin<&mut Self>) -> Result<u32, AppError> {
        Ok(self.calls)
    }

    #[mutex_lock("{self.name}")]
    async fn shared_owner(self: Arc<Self>) -> Result<usize, AppError> {
        Ok(Arc::strong_count(&self))
    }

    #[mutex_lock("{self.name}")]
    async fn boxed(self: Box<Self>) -> Result<Self, AppError> {
        Ok(*self)
    }

    #[mutex_lock("{self.name}")]
    async fn changed(mut self) -> Result<Self, AppError> {
        assert!(is_locked("s").await);
        self.name.push('!');
        Ok(self)
    }

    #[mutex_lock("{self.name}")]
    async fn owned(self) -> Result<String, AppError> {
        Ok(self.name)
    }
}

fn main() {
    on_memory(async {
        let mut service = send(Service::new("s")).await.unwrap();
        assert_eq!(send(service.shared()).await.unwrap(), "s");
        *send(service.exclusive(2)).await.unwrap() += 1;
        assert_eq!(send(Pin::new(&mut service).pinned()).await.unwrap(), 3);
        let service = send(Box::new(service).boxed()).await.unwrap();
        let service = send(service.changed()).await.unwrap();
        assert_eq!(send(service.owned()).await.unwrap(), "s!");
        let service = Arc::new(Service {
            name: "s".into(),
            calls: 0,
        });
        assert_eq!(send(Arc::clone(&service).shared_owner()).await.unwrap(), 2);
        assert_eq!(Arc::strong_count(&service), 1);
    });
}
