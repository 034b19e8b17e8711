//! The expansion relies on no name of the scope it lands in.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types, unused_macros, unused_imports)]

mod core {}
mod std {}
mod alloc {}
mod klg_lock {}

struct Result;
struct Option;
struct Box;
struct String;
struct Duration;
enum Mine {
    Ok,
    Err,
    Some,
    None,
}
use self::Mine::{Err, None, Ok, Some};
trait Future {}
trait Send {}
trait Sync {}
trait Sized {}
trait From {}
trait Fn {}
trait FnOnce {}
trait Drop {}
trait Display {}
macro_rules! format {
    () => {};
}
macro_rules! format_args {
    () => {};
}
macro_rules! compile_error {
    () => {};
}
type u64 = ();

type Answer = ::core::result::Result<u8, ::klg_lock::LockError>;

#[::klg_lock::mutex_lock(
    "{a}",
    ttl = "1s",
    wait = 5,
    max_hold = "1m",
    auto_extend = false,
    on_lost = signal,
    guard = lock
)]
async fn everything(a: u8, (b, _): (u8, u8)) -> Answer {
    let _ = lock.is_valid();
    ::core::result::Result::Ok(a + b)
}

#[::klg_lock::buffer_lock(
    on_locked = ::core::result::Result::Ok(0),
    on_error = |error| ::core::result::Result::Err(error)
)]
async fn handled(#[lock_key] a: u8) -> Answer {
    ::core::result::Result::Ok(a)
}

#[::klg_lock::mutex_lock("names in the body")]
async fn inside() -> Answer {
    use ::core::result::Result;
    use ::core::result::Result::{Err, Ok};
    struct Answer;
    let _ = Answer;
    Ok(3)
}

fn main() {
    ::klg_lock_ui_tests::on_memory(async {
        assert_eq!(everything(1, (2, 3)).await.unwrap(), 3);
        assert_eq!(handled(1).await.unwrap(), 1);
        assert_eq!(inside().await.unwrap(), 3);
    });
}
