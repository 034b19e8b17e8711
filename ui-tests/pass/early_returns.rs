//! `return`, `?` and loops leave the body as they leave a function; the lock is released each time.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory, send};

#[mutex_lock("early")]
async fn parse(texts: &[&str]) -> Result<Box<dyn std::fmt::Debug + Send>, AppError> {
    if texts.is_empty() {
        return Ok(Box::new("nothing"));
    }
    for text in texts {
        if *text == "-" {
            return Err(AppError::Other("a dash".into()));
        }
        text.parse::<u8>()
            .map_err(|error| AppError::Other(error.to_string()))?;
    }
    Ok(Box::new(texts.len()))
}

#[mutex_lock("early")]
async fn turns(mut left: u8) -> Result<u8, AppError> {
    loop {
        if left == 0 {
            break Ok(left);
        }
        tokio::task::yield_now().await;
        left -= 1;
    }
}

#[mutex_lock("early")]
async fn never() -> Result<u8, AppError> {
    todo!()
}

fn main() {
    on_memory(async {
        for texts in [&[][..], &["1", "-"], &["1", "x"], &["1", "2"]] {
            let result = send(parse(texts)).await;
            assert_eq!(result.is_ok(), texts != ["1", "-"] && texts != ["1", "x"]);
            assert!(!is_locked("early").await);
        }
        assert_eq!(send(turns(3)).await.unwrap(), 0);
        assert!(tokio::spawn(never()).await.unwrap_err().is_panic());
        assert!(!is_locked("early").await);
    });
}
