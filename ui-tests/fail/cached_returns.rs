//! What can be cached: what `serde` writes, and reads back by its type.

use std::fmt::Display;

use klg_lock::{cache_put, cached};
use klg_lock_ui_tests::AppError;

struct User;

#[derive(serde::Serialize)]
struct Borrowed<'a> {
    name: &'a str,
}

#[cached("user")]
async fn not_serializable() -> Result<User, AppError> {
    Ok(User)
}

#[cached("plain")]
async fn plain_and_not_serializable() -> Vec<User> {
    Vec::new()
}

#[cache_put("put")]
async fn put_and_not_readable(name: &str) -> Result<Borrowed<'_>, AppError> {
    Ok(Borrowed { name })
}

#[cached("str")]
async fn a_borrowed_text() -> Result<&'static str, AppError> {
    Ok("x")
}

#[cached("opaque")]
async fn opaque() -> Result<impl Display, AppError> {
    Ok(1)
}

#[cached("unit")]
async fn nothing() {}

#[cache_put("unit")]
async fn puts_nothing(id: u64) {}

#[cached("sync")]
fn not_async() -> u64 {
    1
}

fn main() {}
