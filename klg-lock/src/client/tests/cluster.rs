//! The store's connection to a cluster.

use std::collections::BTreeSet;

use klg_lock_tests::Cluster;
use klg_lock_tests::poll::within;

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

/// A tracking link to each master, and what their listener was told.
async fn masters(cluster: &Cluster) -> (Masters, Arc<Told>) {
    let told = Arc::new(Told::default());
    let options = LinkOptions {
        set_up: vec![cmd(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "k"])],
        ping_interval: Duration::from_millis(100),
        ..options()
    };
    let endpoint = Endpoint::parse(&cluster.uri()).unwrap();
    let masters = Masters::open(&endpoint, options, told.clone())
        .await
        .unwrap();
    let what = BTreeSet::from([CONNECTED.to_owned()]);
    within(A_WHILE, "all masters are heard", || {
        told.take().into_iter().collect::<BTreeSet<_>>() == what
    })
    .await;
    (masters, told)
}

const CONNECTED: &str = "connected resp3=true [ok]";

/// Changes a key at its owner, and waits until that is heard.
async fn is_heard(cluster: &Cluster, told: &Told, key: &str) {
    let owner = cluster.owner(cluster.slot(key));
    let mut control = cluster.masters()[owner].control();
    control.ask::<()>(&["SET", key, "1"]);
    let push = format!("Invalidate [array([bulk-string('\"{key}\"')])]");
    within(A_WHILE, "the change is heard", || {
        told.take().contains(&push)
    })
    .await;
}

/// Waits until the listener was told of a loss, and of a connection after that.
async fn is_lost_and_found(told: &Told) {
    let mut all = Vec::new();
    within(A_WHILE, "everything counts as changed", || {
        all.extend(told.take());
        let lost = all.iter().position(|what| what == "disconnected");
        lost.is_some_and(|lost| all[lost..].contains(&CONNECTED.to_owned()))
    })
    .await;
}

#[tokio::test]
async fn every_master_is_heard_again_after_a_cut_and_after_a_move() {
    let cluster = Cluster::start();
    let (masters, told) = masters(&cluster).await;
    let keys = Vec::from_iter((0..6).map(|number| format!("k{number}")));
    let owners = keys.iter().map(|key| cluster.owner(cluster.slot(key)));
    assert_eq!(owners.collect::<BTreeSet<_>>().len(), 3);
    for key in &keys {
        is_heard(&cluster, &told, key).await;
        assert!(masters.of(key).is_some());
    }
    for master in cluster.masters() {
        master.control().kill_clients();
        is_lost_and_found(&told).await;
        for key in &keys {
            is_heard(&cluster, &told, key).await;
        }
    }
    let slot = cluster.slot("k0");
    cluster.move_slot(slot, (cluster.owner(slot) + 1) % 3);
    is_lost_and_found(&told).await;
    for key in &keys {
        is_heard(&cluster, &told, key).await;
    }
    masters.close().await;
    assert_eq!(told.take().last().unwrap(), "disconnected");
    assert!(masters.of("k0").is_none());
}

#[tokio::test]
async fn a_doubt_is_cleared_by_asking_the_masters() {
    let cluster = Cluster::start();
    let (masters, told) = masters(&cluster).await;
    masters.doubt();
    assert!(masters.of("k0").is_none());
    is_lost_and_found(&told).await;
    assert!(masters.of("k0").is_some());
}

/// One of them may be gone for long: its keys change nowhere, but what else it has missed nobody knows.
#[tokio::test]
async fn while_a_master_is_away_nothing_is_heard() {
    let cluster = Cluster::start();
    let (masters, told) = masters(&cluster).await;
    cluster.masters()[2].pause();
    within(A_WHILE, "the silence is noticed", || {
        told.take().contains(&"disconnected".to_owned())
    })
    .await;
    assert!(masters.of("k0").is_none());
    cluster.masters()[2].resume();
    within(A_WHILE, "it is heard again", || {
        told.take().contains(&CONNECTED.to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_replica_that_takes_over_is_heard() {
    let cluster = Cluster::start();
    let replica = cluster.add_replica(0);
    let (masters, told) = masters(&cluster).await;
    let key = (0..)
        .map(|number| format!("k{number}"))
        .find(|key| cluster.owner(cluster.slot(key)) == 0)
        .unwrap();
    cluster.fail_over(0, &replica);
    is_lost_and_found(&told).await;
    replica.control().ask::<()>(&["SET", &key, "1"]);
    let push = format!("Invalidate [array([bulk-string('\"{key}\"')])]");
    within(A_WHILE, "the change is heard", || {
        told.take().contains(&push)
    })
    .await;
    assert!(masters.of(&key).is_some());
}
