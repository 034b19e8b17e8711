//! The servers may forget the scripts at any time, and need not allow more than is used.

use std::time::Duration;

use klg_lock::Redlock;
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, key, mutex};
use klg_lock_tests::poll::within;

const SECOND: Duration = Duration::from_secs(1);

fn forget_scripts(servers: &[Server]) {
    for server in servers {
        server.control().flush_scripts();
    }
}

#[tokio::test]
async fn scripts_are_flushed_between_all_calls() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    for _ in 0..10 {
        forget_scripts(&servers);
        let lock = mutex.lock(["key1", "key2"]).acquire().await.unwrap();
        forget_scripts(&servers);
        lock.extend(90 * SECOND).await.unwrap();
        within(SECOND, "every node has extended it", || {
            servers.iter().all(|server| {
                let left = server.control().time_to_live(&key("key1"));
                left.is_some_and(|left| left > 80 * SECOND)
            })
        })
        .await;
        forget_scripts(&servers);
        assert!(mutex.inspect("key1").await.unwrap().is_some());
        forget_scripts(&servers);
        let refused = mutex.lock("key2").acquire().await;
        assert!(refused.is_err());
        forget_scripts(&servers);
        lock.release().await.unwrap();
        within(SECOND, "nothing is left", || are_clean(&servers)).await;
    }
}

#[tokio::test]
async fn scripts_are_flushed_while_many_locks_are_taken() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let mutex = mutex.clone();
        tasks.spawn(async move {
            for round in 0..50 {
                let name = format!("{task}:{round}");
                let lock = mutex.lock(name).acquire().await.unwrap();
                lock.extend(90 * SECOND).await.unwrap();
                lock.release().await.unwrap();
            }
        });
    }
    while !tasks.is_empty() {
        forget_scripts(&servers);
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn one_lock_costs_three_calls_and_a_release_by_script() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    mutex
        .lock("key1")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    servers[0].control().forget_calls();
    for _ in 0..100 {
        mutex
            .lock("key1")
            .acquire()
            .await
            .unwrap()
            .release()
            .await
            .unwrap();
    }
    let calls = servers[0].control().calls();
    // To acquire: a key and a number. To release: a script that compares and deletes.
    for command in ["set", "incrby", "evalsha", "getex", "del"] {
        assert_eq!(calls.get(command), Some(&100), "{command}: {calls:?}");
    }
    assert_eq!(calls.get("eval"), None, "{calls:?}");
    assert_eq!(calls.get("script|load"), None, "{calls:?}");
}

#[tokio::test]
async fn a_user_with_no_more_rights_than_needed_can_lock() {
    let rights = "on >pw ~redis_* resetchannels -@all \
        +eval +evalsha +ping +get +getex +set +del +exists +incrby +pexpire +pexpireat +pttl +time";
    let server = Server::with().user("app", rights).start();
    let builder = Redlock::builder().nodes([server.uri_as("app", "pw")]);
    let mutex = builder.mutex().connect().await.unwrap();
    let lock = mutex.lock(["key1", "key2"]).acquire().await.unwrap();
    lock.extend(90 * SECOND).await.unwrap();
    assert!(mutex.lock("key1").acquire().await.is_err());
    lock.release().await.unwrap();
    assert!(are_clean(&[server]));
}

#[tokio::test]
async fn a_lock_can_be_released_when_the_servers_memory_is_full() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let lock = mutex.lock("key1").acquire().await.unwrap();
    let mut control = servers[0].control();
    control.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = mutex.lock("key2").acquire().await.unwrap_err();
    assert!(refused.to_string().contains("memory"), "{refused}");
    lock.release().await.unwrap();
    assert!(are_clean(&servers));
}
