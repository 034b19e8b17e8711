//! The store on the kinds of servers there are: behind Sentinel, under TLS, in a cluster whose master
//! is lost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use klg_lock::config::TlsConfig;
use klg_lock::store::Store;
use klg_lock::{ClientConfig, Error};
use klg_lock_tests::poll::wait_until;
use klg_lock_tests::{Authority, Cluster, Sentinel, Server};

/// A server is replaced within seconds; a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

fn config(uri: &str) -> ClientConfig {
    ClientConfig::default()
        .uri(uri)
        .prefix("app_")
        .require_connection(true)
        .response_timeout(Duration::from_millis(500))
}

fn trusting(authority: &Authority) -> TlsConfig {
    TlsConfig::default().ca(authority.root())
}

/// One value after the other, until one is taken.
async fn recovers(store: &Store, key: &str) -> i64 {
    let begun = Instant::now();
    let mut value = 0;
    loop {
        value += 1;
        match store.set(key, value).await {
            Ok(_) => return value,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn behind_sentinel_it_follows_a_fail_over() {
    let set = Sentinel::start();
    let store = Store::connect(&config(&set.uri())).await.unwrap();
    store.set("before", 1).await.unwrap();
    let mut control = set.master().control();
    assert_eq!(control.get("app_before").as_deref(), Some("1"));
    assert_eq!(control.ask::<u32>(&["WAIT", "1", "0"]), 1);
    set.fail_over();
    let value = recovers(&store, "after").await;
    assert_eq!(store.get::<i64>("after").await.unwrap(), Some(value));
    assert_eq!(store.get::<i64>("before").await.unwrap(), Some(1));
    let mut found = store.scan("*").all().await.unwrap();
    found.sort();
    assert_eq!(found, ["after", "before"]);
    assert_eq!(set.master().control().keys().len(), 2);
}

#[tokio::test]
async fn under_tls_it_works_and_comes_back() {
    let authority = Authority::new();
    let server = Server::with().tls(&authority, true).password("pw").start();
    let tls = trusting(&authority)
        .cert(authority.client_certificate())
        .key(authority.client_key());
    let config = config(&server.tls_uri()).tls(tls);
    let store = Store::connect(&config).await.unwrap();
    let big = "x".repeat(1 << 20);
    store.set("big", &big).await.unwrap();
    assert_eq!(store.get::<String>("big").await.unwrap(), Some(big));
    server.restart();
    recovers(&store, "k").await;
    let mut control = server.control();
    assert_eq!(control.kill_clients(), 1);
    recovers(&store, "k").await;
    assert_eq!(store.scan("*").all().await.unwrap(), ["k"]);
}

#[tokio::test]
async fn under_tls_wrong_files_are_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::with().tls(&authority, false).start();
    let uri = server.tls_uri();
    let refused = async |tls: TlsConfig| {
        let error = Store::connect(&config(&uri).tls(tls)).await.unwrap_err();
        assert!(matches!(error, Error::Redis { .. }), "{error}");
        error.to_string()
    };
    let text = refused(trusting(&other)).await;
    assert!(
        text.contains("tls_ca") && text.contains("\"default\""),
        "{text}"
    );
    let missing = PathBuf::from("/no/such.pem");
    let text = refused(TlsConfig::default().ca(missing)).await;
    assert!(text.contains("/no/such.pem"), "{text}");
}

#[tokio::test]
async fn in_a_cluster_under_tls_slots_are_followed_and_scanned() {
    let authority = Authority::new();
    let cluster = Cluster::start_tls(&authority);
    let config = config(&cluster.uri()).tls(trusting(&authority));
    let store = Store::connect(&config).await.unwrap();
    for number in 0..30 {
        store.set(&format!("k{number}"), number).await.unwrap();
    }
    let slot = cluster.slot("app_k0");
    cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3);
    recovers(&store, "k0").await;
    for master in cluster.masters() {
        assert!(!master.control().keys().is_empty());
        master.control().kill_clients();
    }
    for number in 0..30 {
        recovers(&store, &format!("k{number}")).await;
    }
    assert_eq!(store.scan("*").all().await.unwrap().len(), 30);
}

#[tokio::test]
async fn in_a_cluster_a_replica_that_takes_over_is_followed() {
    let cluster = Cluster::start();
    let replica = cluster.add_replica(0);
    let store = Store::connect(&config(&cluster.uri())).await.unwrap();
    let keys = Vec::from_iter((0..30).map(|number| format!("k{number}")));
    for key in &keys {
        store.set(key, 1).await.unwrap();
    }
    let lost = keys.iter().filter(|key| {
        let slot = cluster.slot(&format!("app_{key}"));
        cluster.owner(slot) == 0
    });
    let lost = Vec::from_iter(lost);
    assert!(!lost.is_empty());
    let all = lost.len();
    wait_until("the replica has the keys", || {
        replica.control().keys().len() == all
    });
    cluster.fail_over(0, &replica);
    for key in &lost {
        recovers(&store, key).await;
        assert!(replica.control().get(&format!("app_{key}")).is_some());
    }
    assert_eq!(store.scan("*").all().await.unwrap().len(), 30);
}
