//! Sets of servers: clusters, and masters under sentinels.

use std::collections::BTreeSet;

use klg_lock_tests::{Authority, Cluster, Sentinel};
use redis::Value;

use super::is_error;

#[test]
fn a_cluster_is_whole_and_its_slots_move() {
    let cluster = Cluster::start();
    let slot = cluster.slot("k");
    let owner = cluster.owner(slot);
    let to = (owner + 1) % 3;
    let set = ["SET", "k", "v"];
    assert_eq!(cluster.masters()[owner].wire().ask(&set), Value::Okay);
    assert!(is_error(&cluster.masters()[to].wire().ask(&set), "MOVED"));
    assert_eq!(cluster.keys(), BTreeSet::from(["k".to_owned()]));

    cluster.begin_move(slot, to);
    cluster.move_keys(slot, to);
    let asked = cluster.masters()[owner].wire().ask(&["GET", "k"]);
    assert!(is_error(&asked, "ASK"), "{asked:?}");
    cluster.end_move(slot, to);
    assert_eq!(cluster.owner(slot), to);
    let read = cluster.masters()[to].wire().ask(&["GET", "k"]);
    assert_eq!(read, Value::BulkString(b"v".to_vec()));
    cluster.move_slot(slot, owner);
    assert_eq!(cluster.owner(slot), owner);
    assert!(cluster.uri().starts_with("redis+cluster://127.0.0.1:"));
}

#[test]
fn a_replica_takes_over_from_a_master_of_a_cluster() {
    let cluster = Cluster::start();
    let replica = cluster.add_replica(0);
    let key = (0..)
        .map(|number| format!("k{number}"))
        .find(|key| cluster.owner(cluster.slot(key)) == 0)
        .unwrap();
    let mut control = cluster.masters()[0].control();
    control.ask::<()>(&["SET", &key, "v"]);
    assert_eq!(control.ask::<u32>(&["WAIT", "1", "0"]), 1);
    cluster.fail_over(0, &replica);
    assert_eq!(replica.control().get(&key).as_deref(), Some("v"));
}

#[test]
fn a_cluster_under_tls_is_whole_and_its_slots_move() {
    let cluster = Cluster::start_tls(&Authority::new());
    let slot = cluster.slot("k");
    let to = (cluster.owner(slot) + 1) % 3;
    cluster.move_slot(slot, to);
    assert_eq!(cluster.owner(slot), to);
    assert!(cluster.uri().starts_with("rediss+cluster://127.0.0.1:"));
}

#[test]
fn a_sentinel_set_makes_the_replica_the_master() {
    let set = Sentinel::start();
    let old = set.master().port();
    assert_ne!(set.replica().port(), old);
    assert_eq!(set.sentinels().len(), 3);
    assert!(set.uri().ends_with("/mymaster"));
    set.fail_over();
    assert_ne!(set.master().port(), old);
    set.master().control().ask::<()>(&["SET", "k", "v"]);
}
