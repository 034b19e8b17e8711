//! A connection comes back from every end it can come to.
//!
//! Each dead end is first shown on the `redis` crate's own manager, which is why the library
//! supervises its connections itself; a test that fails there says that the crate has mended it.

use std::time::{Duration, Instant};

use klg_lock::{Config, Redlock, Registry, Store};
use klg_lock_tests::engine::key;
use klg_lock_tests::poll::{wait_until, within};
use klg_lock_tests::{Proxy, Server, Way};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

const A_WHILE: Duration = Duration::from_secs(10);

/// The crate's manager, with its usual rules and less patience, so that the test is short.
async fn manager(uri: &str) -> ConnectionManager {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(2)
        .set_min_delay(Duration::from_millis(5))
        .set_max_delay(Duration::from_millis(20))
        .set_response_timeout(Some(Duration::from_millis(100)));
    let client = redis::Client::open(uri).unwrap();
    client
        .get_connection_manager_with_config(config)
        .await
        .unwrap()
}

/// How many of twenty commands, 20 ms apart, succeed.
async fn successes(manager: &ConnectionManager, words: &[&str]) -> usize {
    let mut count = 0;
    for _ in 0..20 {
        let mut command = redis::Cmd::new();
        command.arg(words);
        let reply: redis::RedisResult<redis::Value> =
            command.query_async(&mut manager.clone()).await;
        count += usize::from(reply.is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    count
}

#[tokio::test]
async fn the_crates_manager_never_forgives_a_refused_password() {
    let server = Server::with().password("right").start();
    let manager = manager(&server.uri()).await;
    assert_eq!(successes(&manager, &["PING"]).await, 20);
    let mut control = server.control();
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "wrong"]);
    control.kill_clients();
    assert_eq!(successes(&manager, &["PING"]).await, 0);
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "right"]);
    assert_eq!(successes(&manager, &["PING"]).await, 0);
}

#[tokio::test]
async fn the_crates_manager_stays_with_a_peer_that_never_answers() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let manager = manager(&proxy.uri()).await;
    assert_eq!(successes(&manager, &["PING"]).await, 20);
    // Only the present connection hangs: a new one would be answered.
    proxy.hold_present(Way::Replies);
    assert_eq!(successes(&manager, &["PING"]).await, 0);
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn the_crates_manager_stays_with_a_master_that_became_a_replica() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.address());
    let manager = manager(&proxy.uri()).await;
    let id: u64 = redis::cmd("CLIENT")
        .arg("ID")
        .query_async(&mut manager.clone())
        .await
        .unwrap();
    let port = new.port().to_string();
    old.control().ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    wait_until("the old master follows the new one", || {
        old.control()
            .ask::<String>(&["INFO", "replication"])
            .contains("link_status:up")
    });
    assert_eq!(successes(&manager, &["SET", "k", "v"]).await, 0);
    let after: u64 = redis::cmd("CLIENT")
        .arg("ID")
        .query_async(&mut manager.clone())
        .await
        .unwrap();
    assert_eq!(id, after, "it asked the same connection each time");
}

#[tokio::test]
async fn the_crates_manager_forgets_its_tracking_when_it_reconnects() {
    let server = Server::start();
    let (sender, mut pushes) = tokio::sync::mpsc::unbounded_channel();
    let config = ConnectionManagerConfig::new().set_push_sender(sender);
    let client = redis::Client::open(format!("{}?protocol=resp3", server.uri())).unwrap();
    let manager = client
        .get_connection_manager_with_config(config)
        .await
        .unwrap();
    redis::cmd("CLIENT")
        .arg(&["TRACKING", "ON", "BCAST"])
        .exec_async(&mut manager.clone())
        .await
        .unwrap();
    let mut control = server.control();
    control.ask::<()>(&["SET", "k", "v"]);
    let push = pushes.recv().await.unwrap();
    assert_eq!(push.kind, redis::PushKind::Invalidate);

    control.kill_clients();
    within(A_WHILE, "it is connected again", || {
        control.clients().len() == 1
    })
    .await;
    assert_eq!(successes(&manager, &["PING"]).await, 20);
    control.ask::<()>(&["SET", "k", "w"]);
    assert_eq!(successes(&manager, &["PING"]).await, 20);
    let after: Vec<_> = std::iter::from_fn(|| pushes.try_recv().ok())
        .filter(|push| push.kind == redis::PushKind::Invalidate)
        .collect();
    assert!(after.is_empty(), "{after:?}");
}

/// A lock engine and a store of the library on one server, both in use.
async fn ours(uri: &str) -> (Registry, Redlock, Store) {
    let config = Config::default().uri(uri);
    let registry = Registry::builder().config(config).build().await.unwrap();
    let (mutex, store) = (registry.mutex(), registry.store());
    mutex.using("warm", async |_| ()).await.unwrap();
    store.set("warm", "v").await.unwrap();
    (registry, mutex, store)
}

/// Waits until the engine and the store work again, and tells how long that took.
async fn work_again(mutex: &Redlock, store: &Store) -> Duration {
    let begun = Instant::now();
    loop {
        let locked = mutex.using("key1", async |_| ()).await;
        let stored = store.set("key1", "v").await;
        match (locked, stored) {
            (Ok(()), Ok(())) => return begun.elapsed(),
            failed => assert!(begun.elapsed() < A_WHILE, "for good: {failed:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_refused_password_is_forgiven_when_it_is_right_again() {
    let server = Server::with().password("right").start();
    let (_registry, mutex, store) = ours(&server.uri()).await;
    let mut control = server.control();
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "wrong"]);
    control.kill_clients();
    within(A_WHILE, "the refusal is noticed", || {
        control.clients().is_empty()
    })
    .await;
    assert!(mutex.using("key1", async |_| ()).await.is_err());
    assert!(store.set("key1", "v").await.is_err());
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "right"]);
    work_again(&mutex, &store).await;
}

#[tokio::test]
async fn a_connection_that_never_answers_is_left_for_another() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let (_registry, mutex, store) = ours(&proxy.uri()).await;
    let before = proxy.connections();
    // Only the present connections hang: new ones are answered.
    proxy.hold_present(Way::Replies);
    work_again(&mutex, &store).await;
    assert!(proxy.connections() > before, "still the same connections");
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_and_found_again() {
    let (old, new) = (Server::start(), Server::start());
    let (_registry, mutex, store) = ours(&old.uri()).await;
    let port = new.port().to_string();
    let mut control = old.control();
    control.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    wait_until("the old master follows the new one", || {
        let text: String = control.ask(&["INFO", "replication"]);
        text.contains("link_status:up")
    });
    assert!(mutex.using("key1", async |_| ()).await.is_err());
    assert!(store.set("key1", "v").await.is_err());
    control.ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    work_again(&mutex, &store).await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let server = Server::start();
    let (_registry, mutex, store) = ours(&server.uri()).await;
    for _ in 0..3 {
        server.restart();
        let took = work_again(&mutex, &store).await;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[tokio::test]
async fn wake_ups_come_again_after_the_connection_was_killed() {
    let server = Server::start();
    let (_registry, mutex, store) = ours(&server.uri()).await;
    let mut control = server.control();
    control.kill_clients();
    work_again(&mutex, &store).await;
    assert!(control.set_if_absent(&key("key1"), "mine", Duration::from_secs(60)));
    let waiting = mutex.lock("key1").wait(A_WHILE).acquire();
    let (lock, gone) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        control.delete(&key("key1"));
        Instant::now()
    });
    // Nothing but a push tells this: the key would have lived for another minute.
    assert!(
        gone.elapsed() < Duration::from_millis(300),
        "{:?}",
        gone.elapsed()
    );
    lock.unwrap().release().await.unwrap();
}
