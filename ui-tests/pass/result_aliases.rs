//! Any type that is a `Result` with `E: From<LockError>`, whatever it is called.
#![deny(warnings)]

use std::error::Error;
use std::io;

use klg_lock::{LockError, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory};

type Alias<T> = Result<T, AppError>;
type Whole = Result<u8, LockError>;

trait Names {
    type Output;
}

impl Names for () {
    type Output = Result<u8, Box<dyn Error + Send + Sync>>;
}

#[mutex_lock("a")]
async fn alias() -> Alias<u8> {
    Ok(1)
}

#[mutex_lock("b")]
async fn whole() -> Whole {
    Ok(1)
}

#[mutex_lock("c")]
async fn projected() -> <() as Names>::Output {
    Ok(u8::try_from("1".len())?)
}

#[mutex_lock("d")]
async fn anyhow() -> anyhow::Result<u8> {
    anyhow::ensure!(1 > 0, "order");
    let text = "1";
    Ok(text.parse()?)
}

#[mutex_lock("e")]
async fn generic<E: From<LockError> + From<io::Error>>() -> Result<u8, E> {
    Ok(std::fs::read("/dev/null")?.len() as u8 + 1)
}

fn main() {
    on_memory(async {
        assert_eq!(alias().await.unwrap(), 1);
        assert_eq!(whole().await.unwrap(), 1);
        assert_eq!(projected().await.unwrap(), 1);
        assert_eq!(anyhow().await.unwrap(), 1);
        assert_eq!(generic::<Box<dyn Error>>().await.unwrap(), 1);
    });
}
