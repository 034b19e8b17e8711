//! A function that ends in `Box::pin(async move { .. })`: what comes before it stays where it is.
#![deny(warnings)]

use std::future::Future;
use std::pin::Pin;

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory, send};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[mutex_lock("{id}:{pair.1}")]
fn alias(
    id: u8,
    pair: (String, String),
    _unused: &u8,
) -> BoxFuture<'static, Result<String, AppError>> {
    let before = id + 1;
    Box::pin(async move {
        assert!(is_locked("1:b").await);
        let first = pair.0;
        Ok(format!("{first}{before}"))
    })
}

#[mutex_lock]
fn spelt_out<'a>(
    #[lock_key] text: &'a str,
) -> Pin<Box<dyn Future<Output = Result<Box<dyn ToString + Send>, AppError>> + Send + 'a>> {
    Box::pin(async move {
        if text.is_empty() {
            return Ok(Box::new(1) as Box<_>);
        }
        Ok(Box::new(text.to_owned()))
    })
}

fn main() {
    on_memory(async {
        assert_eq!(
            send(alias(1, ("a".into(), "b".into()), &0)).await.unwrap(),
            "a2"
        );
        assert_eq!(send(spelt_out("t")).await.unwrap().to_string(), "t");
    });
}
