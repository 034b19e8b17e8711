//! Whatever is text can name a resource, and no two names are confused.

use std::time::Duration;

use klg_lock::{LockError, Redlock};
use klg_lock_tests::engine::{are_clean, key, lock_keys, mutex};
use klg_lock_tests::{Cluster, Server};

fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "nul\0in the middle",
        "\0",
        "emoji 🔒👩‍👩‍👧‍👦",
        "分布式锁",
        "ключ",
        "קֶפֶל",
        "line\r\nbreak",
        " ",
        "*",
        "key?[a-z]",
        "quote\"s'",
        "back\\slash",
        "{tag}rest",
        "rest{tag}",
        "{}",
        "{",
        "}",
        "}{",
        "a}b",
        "{a}{b}",
        "lock:key1",
        "redis_lock:key1",
        "e\u{301}",
        "\u{e9}",
        "%s %d %00",
        "-1",
        "$6",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("k".repeat(1024));
    names.push("鍵".repeat(1000));
    names
}

#[tokio::test]
async fn every_text_names_a_resource_of_its_own() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, mutex(&servers).await);
    let mut held = Vec::new();
    for name in odd_names() {
        let lock = first.lock(&name).acquire().await;
        let lock = lock.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        let twice = second.lock(&name).acquire().await.unwrap_err();
        assert!(matches!(twice, LockError::Contended { .. }), "{name:?}");
        assert!(lock_keys(&servers[0]).contains(&key(&name)), "{name:?}");
        held.push(lock);
    }
    assert_eq!(lock_keys(&servers[0]).len(), odd_names().len());
    for lock in held {
        lock.extend(Duration::from_secs(90)).await.unwrap();
        lock.release().await.unwrap();
    }
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn every_text_can_be_locked_on_a_cluster() {
    let cluster = Cluster::start();
    let engine = Redlock::builder().nodes([cluster.uri()]).mutex();
    let mutex = engine.connect().await.unwrap();
    for name in odd_names() {
        let lock = mutex.lock(&name).acquire().await;
        let lock = lock.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert!(cluster.keys().contains(&key(&name)), "{name:?}");
        lock.release().await.unwrap();
    }
    let left = cluster.keys();
    assert!(
        left.iter().all(|key| key.starts_with("redis_fence:")),
        "{left:?}"
    );
}

#[tokio::test]
async fn prefixes_and_namespaces_keep_resources_apart() {
    let server = Server::start();
    let engine = |prefix: &str, namespace: &str| {
        let builder = Redlock::builder().nodes([server.uri()]);
        builder
            .prefix(prefix)
            .namespace(namespace)
            .mutex()
            .connect()
    };
    let mut held = Vec::new();
    for (prefix, namespace) in [
        ("a_", "lock:"),
        ("b_", "lock:"),
        ("a_", "other:"),
        ("", "x:"),
        ("{app}:", ""),
    ] {
        let mutex = engine(prefix, namespace).await.unwrap();
        held.push(mutex.lock("key1").acquire().await.unwrap());
        let expected = format!("{prefix}{namespace}key1");
        assert!(server.control().get(&expected).is_some(), "{expected}");
    }
    let again = engine("a_", "lock:").await.unwrap();
    let refused = again.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
}

#[tokio::test]
async fn all_keys_begin_with_the_prefix() {
    let server = Server::with()
        .user("app", "on >pw ~app_* resetchannels +@all")
        .start();
    let builder = Redlock::builder().nodes([server.uri_as("app", "pw")]);
    let mutex = builder.prefix("app_").mutex().connect().await.unwrap();
    for name in odd_names() {
        let lock = mutex.lock(&name).acquire().await;
        let lock = lock.unwrap_or_else(|error| panic!("{name:?}: {error}"));
        lock.extend(Duration::from_secs(90)).await.unwrap();
        lock.release().await.unwrap();
    }
    let keys = server.control().keys();
    assert!(keys.iter().all(|key| key.starts_with("app_")), "{keys:?}");
    assert!(!keys.is_empty());
}

#[tokio::test]
async fn names_that_cannot_name_a_resource_are_refused_before_anything_is_sent() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    servers[0].control().forget_calls();
    let none: [&str; 0] = [];
    for (what, refused) in [
        ("empty", mutex.lock("").acquire().await),
        ("one empty of two", mutex.lock(["a", ""]).acquire().await),
        ("no name", mutex.lock(none).acquire().await),
        ("too long", mutex.lock("k".repeat(1 << 20)).acquire().await),
    ] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, LockError::InvalidKey { .. }),
            "{what}: {refused}"
        );
    }
    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let refused = mutex.lock("key1").ttl(ttl).acquire().await.unwrap_err();
        assert!(
            matches!(refused, LockError::InvalidTtl { .. }),
            "{ttl:?}: {refused}"
        );
    }
    let refused = mutex.lock("key1").max_hold(Duration::ZERO).acquire().await;
    assert!(matches!(refused, Err(LockError::InvalidTtl { .. })));
    let calls = servers[0].control().calls();
    assert!(
        !calls.contains_key("evalsha") && !calls.contains_key("eval"),
        "{calls:?}"
    );
}
