//! What a request that does not wait is told.

use std::time::Duration;

use super::{TTL, engine};
use crate::error::LockError;

#[tokio::test(start_paused = true)]
async fn a_mutex_fails_at_once_while_it_is_held() {
    let redlock = engine(&["memory://"]).await;
    let lock = redlock.lock("key1").acquire().await.unwrap();
    assert!(lock.is_valid());
    assert_eq!(lock.resources().collect::<Vec<_>>(), ["key1"]);
    let error = redlock.lock("key1").acquire().await.unwrap_err();
    let LockError::Contended {
        resource,
        holder,
        remaining,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(&**resource, "key1");
    assert!(
        holder
            .as_ref()
            .is_some_and(|h| h.description.contains(&std::process::id().to_string()))
    );
    assert!(remaining.is_some_and(|r| r > Duration::from_secs(9)));
    let before = lock.fencing_token();
    lock.release().await.unwrap();
    let lock = redlock.lock("key1").acquire().await.unwrap();
    assert!(lock.fencing_token() > before);
}

#[tokio::test(start_paused = true)]
async fn another_engine_is_contended_and_told_who_holds_it() {
    let (a, b) = (
        engine(&["memory://contended"]).await,
        engine(&["memory://contended"]).await,
    );
    let lock = a.lock("k").acquire().await.unwrap();
    let error = b.lock("k").acquire().await.unwrap_err();
    assert!(
        matches!(
            &error,
            LockError::Contended {
                holder: Some(_),
                remaining: Some(_),
                ..
            }
        ),
        "{error}"
    );
    let seen = b.inspect("k").await.unwrap().unwrap();
    assert!(seen.since.is_some() && seen.remaining.is_some_and(|r| r <= TTL));
    drop(lock);
    assert_eq!(b.inspect("k").await.unwrap(), None);
    let _lock = b.lock("k").acquire().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_mutex_try_behind_a_waiter_for_more_is_contended_at_once() {
    let redlock = engine(&["memory://"]).await;
    let _a = redlock.lock("a").acquire().await.unwrap();
    let both = redlock.as_buffer().lock(["a", "b"]).acquire();
    let both = tokio::spawn(both);
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    let error = redlock.lock("b").acquire().await.unwrap_err();
    assert!(matches!(error, LockError::Contended { .. }), "{error}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    both.abort();
}

#[tokio::test(start_paused = true)]
async fn a_mutex_try_behind_a_waiter_is_told_of_an_outage() {
    let server = crate::testing::MemoryServer::named("outage-behind");
    let redlock = engine(&["memory://outage-behind"]).await;
    server.hang();
    let waiting = redlock.as_buffer().lock("k").acquire();
    let waiting = tokio::spawn(waiting);
    tokio::task::yield_now().await;
    let tried = tokio::time::timeout(TTL, redlock.lock("k").acquire()).await;
    let error = tried.expect("an answer").unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    server.recover();
    waiting.await.unwrap().unwrap().release().await.unwrap();
}
