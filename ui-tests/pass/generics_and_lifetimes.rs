//! Generics, const generics, where clauses, named and elided lifetimes, `impl Trait` both ways.
#![deny(warnings)]

use std::fmt::{Debug, Display};

use klg_lock::{buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory, send};

struct Ring<'r, T, const N: usize> {
    items: [T; N],
    name: &'r str,
}

impl<'r, T, const N: usize> Ring<'r, T, N>
where
    T: Debug + Sync,
{
    #[mutex_lock("{self.name}:{at}")]
    async fn at<'a, U>(
        &'a self,
        at: usize,
        other: &'a U,
    ) -> Result<(&'a T, &'a U, &'r str), AppError>
    where
        U: Debug + Sync + ?Sized,
    {
        Ok((&self.items[at], other, self.name))
    }
}

#[mutex_lock("longest")]
async fn longest<'a>(one: &'a str, other: &'a str) -> Result<&'a str, AppError> {
    Ok(if one.len() > other.len() { one } else { other })
}

#[mutex_lock("elided:{key}")]
async fn elided(key: u8, text: &mut String) -> Result<&mut String, AppError> {
    text.push(char::from(key));
    Ok(text)
}

#[buffer_lock]
async fn opaque(
    #[lock_key] key: impl Display + Send,
    map: impl Fn(u8) -> u8 + Send,
) -> Result<impl Iterator<Item = impl Debug>, AppError> {
    Ok([1, 2].map(map).into_iter())
}

fn main() {
    on_memory(async {
        let ring = Ring {
            items: [1, 2, 3],
            name: "ring",
        };
        assert_eq!(send(ring.at(1, "x")).await.unwrap(), (&2, "x", "ring"));
        assert_eq!(send(longest("a", "bc")).await.unwrap(), "bc");
        let mut text = String::new();
        send(elided(b'a', &mut text)).await.unwrap().push('b');
        assert_eq!(text, "ab");
        let items: Vec<String> = send(opaque("k", |n| n * 2))
            .await
            .unwrap()
            .map(|item| format!("{item:?}"))
            .collect();
        assert_eq!(items, ["2", "4"]);
    });
}
