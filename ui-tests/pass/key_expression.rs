//! `key = expr` is anything that displays; a literal there means what it means in front, and an
//! array locks all its elements together.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, locked, on_memory};

const KEY: &str = "constant";

struct User {
    id: u64,
}

impl User {
    fn key(&self) -> String {
        format!("user:{}", self.id)
    }

    #[mutex_lock(key = self.key())]
    async fn method(&self) -> Result<bool, AppError> {
        Ok(is_locked("user:5").await)
    }
}

#[mutex_lock(key = KEY)]
async fn constant() -> Result<bool, AppError> {
    Ok(is_locked("constant").await)
}

#[mutex_lock(key = id % 10)]
async fn arithmetic(id: u64) -> Result<bool, AppError> {
    Ok(is_locked("3").await)
}

#[mutex_lock(key = "literal:{id}")]
async fn literal(id: u64) -> Result<bool, AppError> {
    Ok(is_locked("literal:3").await)
}

#[mutex_lock(key = ["user:{user.id}", format!("{name:>4}"), KEY], scope = "s")]
async fn several(user: &User, name: &str) -> Result<usize, AppError> {
    assert!(is_locked("s:user:5").await);
    assert!(is_locked("s:  ab").await);
    assert!(is_locked("s:constant").await);
    Ok(locked())
}

fn main() {
    on_memory(async {
        let user = User { id: 5 };
        assert!(user.method().await.unwrap());
        assert!(constant().await.unwrap());
        assert!(arithmetic(13).await.unwrap());
        assert!(literal(3).await.unwrap());
        assert_eq!(several(&user, "ab").await.unwrap(), 3);
    });
}
