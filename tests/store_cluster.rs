//! The store on a real cluster: keys on every master, found again while their slots move.

use std::collections::BTreeSet;

use klg_lock::ClientConfig;
use klg_lock::store::{Scan, Store};
use klg_lock_tests::Cluster;

const PREFIX: &str = "app_";

async fn store(cluster: &Cluster) -> Store {
    let config = ClientConfig::default().uri(cluster.uri()).prefix(PREFIX);
    Store::connect(&config).await.unwrap()
}

/// Sets `k0`, `k1`, .. and returns their names by the master that holds them.
async fn fill(cluster: &Cluster, store: &Store, count: usize) -> [BTreeSet<String>; 3] {
    let mut by_master: [BTreeSet<String>; 3] = Default::default();
    for number in 0..count {
        let key = format!("k{number}");
        store.set(&key, 1).await.unwrap();
        by_master[master_of(cluster, &key)].insert(key);
    }
    assert!(by_master.iter().all(|keys| keys.len() > 1));
    by_master
}

fn slot(cluster: &Cluster, key: &str) -> u16 {
    cluster.slot(&format!("{PREFIX}{key}"))
}

fn master_of(cluster: &Cluster, key: &str) -> usize {
    cluster.owner(slot(cluster, key))
}

/// Scans on until a key comes that is in `end`.
async fn scan_until(scan: &mut Scan, seen: &mut BTreeSet<String>, end: &BTreeSet<String>) {
    while end.is_disjoint(seen) {
        seen.insert(scan.next().await.expect("more keys").unwrap());
    }
}

async fn rest(mut scan: Scan, mut seen: BTreeSet<String>) -> BTreeSet<String> {
    while let Some(key) = scan.next().await {
        seen.insert(key.unwrap());
    }
    seen
}

#[tokio::test]
async fn a_scan_goes_through_all_masters_and_keeps_to_the_prefix() {
    let cluster = Cluster::start();
    let store = store(&cluster).await;
    let keys = fill(&cluster, &store, 60).await;
    for master in cluster.masters() {
        let mut control = master.control();
        // Whatever of other prefixes this master may hold.
        for number in 0..30 {
            let _ = control.try_ask::<()>(&["SET", &format!("other_k{number}"), "1"]);
        }
    }
    let all: BTreeSet<String> = keys.into_iter().flatten().collect();
    let mut found = store.scan("*").batch(7).all().await.unwrap();
    found.sort();
    assert_eq!(found, Vec::from_iter(all));
    let mut found = store.scan("k1?").all().await.unwrap();
    found.sort();
    assert_eq!(found, Vec::from_iter((10..20).map(|n| format!("k{n}"))));
    assert!(store.scan("none*").all().await.unwrap().is_empty());
}

/// The slot leaves the last master while the first has already been walked through.
#[tokio::test]
async fn a_key_is_found_whose_slot_moves_behind_the_scan() {
    let cluster = Cluster::start();
    let store = store(&cluster).await;
    let keys = fill(&cluster, &store, 60).await;
    let all: BTreeSet<String> = keys.iter().flatten().cloned().collect();
    let moved = keys[2].first().unwrap();

    let mut scan = store.scan("*").batch(1);
    let mut seen = BTreeSet::new();
    scan_until(&mut scan, &mut seen, &keys[1]).await;
    assert!(seen.is_superset(&keys[0]) && seen.is_disjoint(&keys[2]));
    cluster.move_slot(slot(&cluster, moved), 0);
    assert_eq!(rest(scan, seen).await, all);
}

/// Away while its master is walked through, and back when the others are.
#[tokio::test]
async fn a_key_is_found_whose_slot_moves_there_and_back() {
    let cluster = Cluster::start();
    let store = store(&cluster).await;
    let keys = fill(&cluster, &store, 60).await;
    let all: BTreeSet<String> = keys.iter().flatten().cloned().collect();
    let mut scan = store.scan("*").batch(1);
    let mut order = Vec::new();
    while let Some(key) = scan.next().await {
        order.push(key.unwrap());
    }
    // What comes last of the first master is not there yet when its first key is.
    let mut ours = order.iter().filter(|key| keys[0].contains(*key));
    let moved = ours.next_back().unwrap();

    let mut scan = store.scan("*").batch(1);
    let mut seen = BTreeSet::new();
    scan_until(&mut scan, &mut seen, &keys[0]).await;
    cluster.move_slot(slot(&cluster, moved), 2);
    scan_until(&mut scan, &mut seen, &keys[1]).await;
    assert!(seen.len() > keys[0].len() - 1 && !seen.contains(moved));
    cluster.move_slot(slot(&cluster, moved), 0);
    assert_eq!(rest(scan, seen).await, all);
}

/// Its keys are elsewhere already, the slot is not.
#[tokio::test]
async fn a_key_is_found_whose_slot_is_on_its_way() {
    let cluster = Cluster::start();
    let store = store(&cluster).await;
    let keys = fill(&cluster, &store, 60).await;
    let all: BTreeSet<String> = keys.iter().flatten().cloned().collect();
    let moved = keys[2].first().unwrap();

    let mut scan = store.scan("*").batch(1);
    let mut seen = BTreeSet::new();
    scan_until(&mut scan, &mut seen, &keys[1]).await;
    let slot = slot(&cluster, moved);
    cluster.begin_move(slot, 0);
    cluster.move_keys(slot, 0);
    assert_eq!(rest(scan, seen).await, all);
    cluster.end_move(slot, 0);
}

#[tokio::test]
async fn a_scan_names_the_master_that_is_away() {
    let cluster = Cluster::start();
    let store = store(&cluster).await;
    fill(&cluster, &store, 60).await;
    cluster.masters()[1].kill();
    let error = store.scan("*").all().await.unwrap_err().to_string();
    let address = cluster.masters()[1].address().to_string();
    assert!(
        error.contains("\"default\"") && error.contains(&address),
        "{error}"
    );
}
