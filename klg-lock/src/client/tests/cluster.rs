//! The store's connection to a cluster.

use klg_lock_tests::Cluster;

use super::*;

#[tokio::test]
async fn commands_find_their_servers_and_follow_a_slot_that_moves() {
    let cluster = Cluster::start();
    let link = open(&cluster.uri()).await;
    for number in 0..30 {
        let key = format!("k{number}");
        ask(&link, &["SET", &key, &key]).await.unwrap();
    }
    assert_eq!(cluster.keys().len(), 30);
    let slot = cluster.slot("k0");
    cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3);
    recovers(&link, &["GET", "k0"]).await;
    assert_eq!(
        ask(&link, &["GET", "k0"]).await.unwrap(),
        Value::BulkString(b"k0".into())
    );
}

#[tokio::test]
async fn killed_connections_to_a_cluster_are_survived() {
    let cluster = Cluster::start();
    let link = open(&cluster.uri()).await;
    for master in cluster.masters() {
        master.control().kill_clients();
    }
    for number in 0..30 {
        recovers(&link, &["SET", &format!("k{number}"), "1"]).await;
    }
    assert_eq!(cluster.keys().len(), 30);
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = Server::start();
    let uri = server.uri().replace("redis://", "redis+cluster://");
    let error = Link::open(&Endpoint::parse(&uri).unwrap(), options())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Redis { .. }));
    assert!(error.to_string().contains("redis://host:port"), "{error}");
}
