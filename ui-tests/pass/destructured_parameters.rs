//! Parameters that are taken apart: the names they bind can be used in the key (by reference) and in
//! `on_locked` (by value), and the marked whole has fields.
#![deny(warnings)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, is_locked, on_memory};
use tokio::time::Duration;

struct Params {
    id: u64,
    name: String,
    ttl: Duration,
}

#[mutex_lock("{id}:{name}:{x}", ttl = *ttl, on_locked = Err(AppError::Other(name.clone())))]
async fn bound(
    Params {
        id,
        ref name,
        mut ttl,
    }: Params,
    &(x, _): &(u8, u8),
    [first, .., last]: [u8; 3],
) -> Result<String, AppError> {
    assert!(is_locked("1:n:5").await);
    ttl *= 2;
    Ok(format!("{id}{name}{}{x}{first}{last}", ttl.as_secs()))
}

#[mutex_lock]
async fn marked(#[lock_key("name")] Params { id, .. }: Params) -> Result<u64, AppError> {
    assert!(is_locked("n").await);
    Ok(id)
}

fn main() {
    on_memory(async {
        let params = || Params {
            id: 1,
            name: "n".into(),
            ttl: Duration::from_secs(30),
        };
        assert_eq!(
            bound(params(), &(5, 6), [7, 8, 9]).await.unwrap(),
            "1n60579"
        );
        assert_eq!(marked(params()).await.unwrap(), 1);
    });
}
