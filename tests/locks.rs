//! A lock is acquired, extended and released, and is a key on the server meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use klg_lock::LockError;
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, engine, key, lock_keys, mutex};
use klg_lock_tests::poll::within;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_lock_is_a_key_that_expires_and_goes_with_the_release() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").ttl(10 * SECOND).acquire().await.unwrap();
    let left = servers[0].control().time_to_live(&key("key1")).unwrap();
    assert!(left > 9 * SECOND && left <= 10 * SECOND, "{left:?}");
    assert!(lock.is_valid());
    // What the holder may believe in ends before the key does.
    let remaining = lock.remaining();
    assert!(remaining > 9 * SECOND && remaining < 10 * SECOND - SECOND / 10);
    assert_eq!(lock.resources().collect::<Vec<_>>(), ["key1"]);
    lock.release().await.unwrap();
    assert!(lock_keys(&servers[0]).is_empty());
}

#[tokio::test]
async fn prefix_namespace_and_ttl_default_as_documented() {
    let servers = [Server::start()];
    let lock = mutex(&servers).await.lock("key1").acquire().await.unwrap();
    let mut control = servers[0].control();
    assert_eq!(lock_keys(&servers[0]), BTreeSet::from([key("key1")]));
    let left = control.time_to_live("redis_lock:key1").unwrap();
    assert!(left > 59 * SECOND && left <= 60 * SECOND, "{left:?}");
    // The counter behind the fencing token outlives the lock, in its slot.
    let fence = "redis_fence:{redis_lock:key1}";
    let left = control.time_to_live(fence).unwrap();
    assert!(
        left > 86_300 * SECOND && left <= 86_500 * SECOND,
        "{left:?}"
    );
    let stored: u64 = control.ask(&["GET", fence]);
    assert_eq!(stored, u64::from(lock.fencing_token()));
}

#[tokio::test]
async fn every_attempt_has_a_value_of_its_own() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let mut values = BTreeSet::new();
    for _ in 0..20 {
        let lock = mutex.lock("key1").acquire().await.unwrap();
        values.insert(servers[0].control().get(&key("key1")).unwrap());
        lock.release().await.unwrap();
    }
    assert_eq!(values.len(), 20);
}

#[tokio::test]
async fn who_comes_second_is_told_who_holds_it_and_for_how_long() {
    let servers = [Server::start()];
    let first = engine(&servers).service("shop").mutex().connect().await;
    let first = first.unwrap();
    let second = mutex(&servers).await;
    let _lock = first.lock("key1").ttl(10 * SECOND).acquire().await.unwrap();
    let refused = second.lock("key1").acquire().await.unwrap_err();
    let text = refused.to_string();
    let LockError::Contended {
        resource,
        holder,
        remaining,
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!(&*resource, "key1");
    let holder = holder.unwrap().description;
    let pid = std::process::id().to_string();
    assert!(holder.contains("shop") && holder.contains(&pid), "{holder}");
    let remaining = remaining.unwrap();
    assert!(remaining > 9 * SECOND && remaining <= 10 * SECOND);
    assert!(text.contains("key1") && text.contains("shop"), "{text}");
}

#[tokio::test]
async fn a_second_lock_of_the_same_engine_is_refused_too() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").acquire().await.unwrap();
    let refused = mutex.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
    lock.release().await.unwrap();
    let again = mutex.lock("key1").acquire().await.unwrap();
    again.release().await.unwrap();
}

#[tokio::test]
async fn a_lock_can_be_inspected_from_anywhere() {
    let servers = Server::start_many::<3>();
    let (holder, other) = (mutex(&servers).await, mutex(&servers).await);
    assert_eq!(other.inspect("key1").await.unwrap(), None);
    let lock = holder
        .lock("key1")
        .ttl(10 * SECOND)
        .acquire()
        .await
        .unwrap();
    let seen = other.inspect("key1").await.unwrap().unwrap();
    let pid = std::process::id().to_string();
    assert!(seen.holder.description.contains(&pid));
    assert!(seen.since.unwrap().elapsed().unwrap() < 5 * SECOND);
    let remaining = seen.remaining.unwrap();
    assert!(remaining > 9 * SECOND && remaining <= 10 * SECOND);
    lock.release().await.unwrap();
    assert_eq!(other.inspect("key1").await.unwrap(), None);
}

#[tokio::test]
async fn an_extension_lengthens_the_key_and_never_shortens_it() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(5 * SECOND).auto_extend(false);
    let lock = request.acquire().await.unwrap();
    lock.extend(30 * SECOND).await.unwrap();
    assert!(lock.remaining() > 29 * SECOND);
    let mut control = servers[0].control();
    assert!(control.time_to_live(&key("key1")).unwrap() > 29 * SECOND);
    lock.extend(SECOND).await.unwrap();
    assert!(lock.remaining() > 28 * SECOND);
    assert!(control.time_to_live(&key("key1")).unwrap() > 28 * SECOND);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_lock_that_nobody_extends_expires_and_its_holder_knows_first() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, mutex(&servers).await);
    let request = first.lock("key1").ttl(SECOND / 2).auto_extend(false);
    let lock = request.acquire().await.unwrap();
    lock.lost().await;
    assert!(!lock.is_valid());
    assert_eq!(lock.remaining(), Duration::ZERO);
    let mut control = servers[0].control();
    within(SECOND, "the key expires", || {
        control.get(&key("key1")).is_none()
    })
    .await;
    let lock = second.lock("key1").acquire().await.unwrap();
    lock.release().await.unwrap();
}

#[tokio::test]
async fn an_expired_lock_cannot_be_extended() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(SECOND / 5).auto_extend(false);
    let lock = request.acquire().await.unwrap();
    tokio::time::sleep(SECOND / 4).await;
    let refused = lock.extend(SECOND).await.unwrap_err();
    assert!(matches!(refused, LockError::Lost { .. }), "{refused}");
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn a_released_lock_cannot_be_extended() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").acquire().await.unwrap();
    let handle = lock.handle();
    lock.release().await.unwrap();
    let refused = handle.extend(SECOND).await.unwrap_err();
    assert!(matches!(refused, LockError::Lost { .. }), "{refused}");
    assert!(!handle.is_valid());
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn a_lock_taken_by_another_cannot_be_extended_or_released() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, mutex(&servers).await);
    let lock = first.lock("key1").acquire().await.unwrap();
    servers[0].control().delete(&key("key1"));
    let other = second
        .lock("key1")
        .ttl(30 * SECOND)
        .acquire()
        .await
        .unwrap();
    let value = servers[0].control().get(&key("key1"));
    let refused = lock.extend(SECOND).await.unwrap_err();
    assert!(matches!(refused, LockError::Lost { .. }), "{refused}");
    drop(lock);
    other.extend(31 * SECOND).await.unwrap();
    assert_eq!(servers[0].control().get(&key("key1")), value);
    other.release().await.unwrap();
}

#[tokio::test]
async fn a_release_after_the_expiry_deletes_nobodys_key() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, buffer(&servers).await);
    let request = first.lock("key1").ttl(SECOND / 5).auto_extend(false);
    let late = request.acquire().await.unwrap();
    let lock = second.lock("key1").acquire().await.unwrap();
    let value = servers[0].control().get(&key("key1"));
    let told = late.release().await.unwrap_err();
    assert!(matches!(told, LockError::Lost { .. }), "{told}");
    assert_eq!(servers[0].control().get(&key("key1")), value);
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_held_lock_is_extended_through_many_ttls() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let ttl = Duration::from_millis(300);
    let lock = mutex.lock("key1").ttl(ttl).acquire().await.unwrap();
    let value = servers[0].control().get(&key("key1"));
    let mut control = servers[0].control();
    for _ in 0..120 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(control.get(&key("key1")), value);
        assert!(lock.is_valid());
    }
    lock.release().await.unwrap();
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn a_dropped_lock_is_released_in_the_background() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    drop(mutex.lock("key1").acquire().await.unwrap());
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_lock_can_be_dropped_on_a_thread_without_a_runtime() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").acquire().await.unwrap();
    std::thread::spawn(move || drop(lock)).join().unwrap();
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
}

#[tokio::test]
async fn max_hold_ends_a_lock_however_often_it_is_extended() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let request = mutex.lock("key1").ttl(SECOND).max_hold(SECOND / 2);
    let lock = request.acquire().await.unwrap();
    let begun = std::time::Instant::now();
    lock.lost().await;
    let held = begun.elapsed();
    assert!(
        held > Duration::from_millis(450) && held < Duration::from_millis(700),
        "{held:?}"
    );
    within(SECOND, "the key is gone", || are_clean(&servers)).await;
    let refused = lock.extend(SECOND).await.unwrap_err();
    assert!(matches!(refused, LockError::Lost { .. }), "{refused}");
}
