//! Other clients of the same key exclude, and are excluded.

use std::time::{Duration, Instant};

use klg_lock::{LockError, Retry};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, engine, key, mutex, uris};
use klg_lock_tests::poll::within;
use rslock::LockManager;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_plain_set_excludes_and_is_excluded() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let mut control = servers[0].control();
    assert!(control.set_if_absent(&key("key1"), "mine", 10 * SECOND));
    let refused = mutex.lock("key1").acquire().await.unwrap_err();
    let LockError::Contended {
        holder, remaining, ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(holder.unwrap().description.contains("mine"));
    assert!(remaining.unwrap() > 9 * SECOND);
    let seen = mutex.inspect("key1").await.unwrap().unwrap();
    assert!(seen.holder.description.contains("mine"));
    assert_eq!(seen.since, None);
    control.delete(&key("key1"));

    let lock = mutex.lock("key1").acquire().await.unwrap();
    assert!(!control.set_if_absent(&key("key1"), "mine", SECOND));
    lock.release().await.unwrap();
    assert!(control.set_if_absent(&key("key1"), "mine", SECOND));
}

#[tokio::test]
async fn rslock_excludes_and_is_excluded() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let mut peer = LockManager::new(uris(&servers));
    peer.set_retry(1, Duration::ZERO);

    let theirs = peer.lock(key("key1").as_str(), 10 * SECOND).await.unwrap();
    let refused = mutex.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
    let waiting = mutex.lock("key1").wait(30 * SECOND).acquire();
    let (ours, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(50 * MS).await;
        peer.unlock(&theirs).await;
    });
    let ours = ours.unwrap();
    assert!(peer.lock(key("key1").as_str(), SECOND).await.is_err());
    ours.release().await.unwrap();
    let again = peer.lock(key("key1").as_str(), SECOND).await.unwrap();
    peer.unlock(&again).await;
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_key_of_another_type_counts_as_held_by_somebody_unknown() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let key = key("key1");
    let mut control = servers[0].control();
    for words in [
        ["HSET", &key, "field", "value"].as_slice(),
        &["RPUSH", &key, "item"],
        &["SADD", &key, "member"],
        &["ZADD", &key, "1", "member"],
        &["XADD", &key, "*", "field", "value"],
    ] {
        control.ask::<redis::Value>(words);
        let refused = mutex.lock("key1").acquire().await.unwrap_err();
        let LockError::Contended {
            holder, remaining, ..
        } = refused
        else {
            panic!("{words:?}: {refused}");
        };
        let holder = holder.unwrap().description;
        assert!(holder.contains("unknown"), "{words:?}: {holder}");
        assert_eq!(remaining, None, "{words:?}");
        assert!(control.delete(&key), "{words:?}: it was touched");
    }
}

#[tokio::test]
async fn a_key_that_never_expires_is_waited_for() {
    let servers = [Server::start()];
    let retry = Retry::new().delay(20 * MS).jitter(10 * MS);
    let buffer = engine(&servers).buffer(retry).connect().await.unwrap();
    servers[0]
        .control()
        .ask::<()>(&["SET", &key("key1"), "for ever"]);
    let request = buffer.lock("key1").wait(200 * MS).acquire();
    let gave_up = request.await.unwrap_err();
    assert!(matches!(gave_up, LockError::Timeout { .. }), "{gave_up}");
    let waiting = buffer.lock("key1").wait(10 * SECOND).acquire();
    let (lock, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(50 * MS).await;
        servers[0].control().delete(&key("key1"));
    });
    lock.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_foreign_value_that_is_no_text_is_held_like_any_other() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let key = key("key1");
    let value = [0xFF, 0x00, 0xFE, b'\r', b'\n', 0x80];
    let words: [&[u8]; 5] = [b"SET", key.as_bytes(), &value, b"PX", b"10000"];
    servers[0].control().ask_bytes::<()>(&words);
    let refused = mutex.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
    assert!(mutex.inspect("key1").await.unwrap().is_some());
    assert!(servers[0].control().delete(&key));
}

#[tokio::test]
async fn a_foreign_lock_is_had_as_soon_as_it_expires() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    let mut control = servers[0].control();
    // Many other keys with a TTL keep the server's own expiry, and its news of it, away from ours.
    for index in 0..10_000 {
        control.ask::<()>(&["SET", &format!("other:{index}"), "v", "PX", "60000"]);
    }
    assert!(control.set_if_absent(&key("key1"), "mine", 300 * MS));
    let begun = Instant::now();
    let lock = buffer.lock("key1").acquire().await.unwrap();
    let took = begun.elapsed();
    assert!(took > 250 * MS && took < 450 * MS, "{took:?}");
    lock.release().await.unwrap();
}
