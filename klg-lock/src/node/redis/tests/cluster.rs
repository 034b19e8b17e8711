//! A cluster as one node: slots that move while locks are taken.

use std::collections::BTreeSet;
use std::time::Instant;

use klg_lock_tests::Cluster;
use klg_lock_tests::poll::within;

use super::order::{QUEUE, waiter};
use super::*;
use crate::error::Error;
use crate::slot::key_slot;

async fn cluster_node(cluster: &Cluster) -> ClusterNode {
    let endpoint = Endpoint::parse(&cluster.uri()).unwrap();
    let (node, connected) = ClusterNode::start(&endpoint, &NodeOptions::default()).await;
    connected.unwrap();
    node
}

fn put(node: &ClusterNode, claim: &Arc<Claim>, op: Op) -> Reply {
    if matches!(op, Op::Release { .. }) {
        claim.mark_released();
    }
    let claim = claim.clone();
    node.submit(Request { claim, op })
}

async fn get(node: &ClusterNode, claim: &Arc<Claim>, op: Op) -> Result<Vote, NodeError> {
    put(node, claim, op)
        .await
        .expect("every request is answered")
}

/// The index of a master that does not own the slot.
fn elsewhere(cluster: &Cluster, slot: u16) -> usize {
    (cluster.owner(slot) + 1) % 3
}

#[tokio::test]
async fn each_key_is_locked_at_the_server_that_owns_its_slot() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    assert!(node.single_slot());
    assert!(node.pushes());
    for number in 0..30 {
        let name = format!("k{number}");
        let (a, b) = (claim(&[&name], "a"), claim(&[&name], "b"));
        assert_eq!(cluster.slot(&lock_key(&name)), key_slot(&lock_key(&name)));
        let first = end(get(&node, &a, ACQUIRE).await);
        assert_eq!(holder(get(&node, &b, ACQUIRE).await), "a");
        assert_eq!(end(get(&node, &a, EXTEND).await), first);
        assert_eq!(end(get(&node, &a, RELEASE).await), 0);
        assert_eq!(end(get(&node, &b, ACQUIRE).await), first + 1);
    }
    let busy = |index: usize| !cluster.masters()[index].control().keys().is_empty();
    assert!((0..3).all(busy));
}

#[tokio::test]
async fn keys_of_one_slot_are_one_lock() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let keys = ["{u}a", "{u}b"].map(|resource| LockKey {
        lock: format!("p_lock:{resource}").into(),
        fence: format!("p_fence:lock:{resource}").into(),
    });
    let set = Arc::new(KeySet::new(keys.into(), "p_lock:".len()));
    let both = Arc::new(Claim::new(set, "a"));
    end(get(&node, &both, ACQUIRE).await);
    assert_eq!(cluster.keys().len(), 4);
    assert_eq!(end(get(&node, &both, RELEASE).await), 0);
}

#[tokio::test]
async fn a_slot_that_has_moved_is_followed() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let slot = key_slot(&lock_key("k"));
    let mut last = 0;
    for round in 0..6 {
        let a = claim(&["k"], &format!("a{round}"));
        let token = end(get(&node, &a, ACQUIRE).await);
        assert!(token > last);
        last = token;
        cluster.move_slot(slot, elsewhere(&cluster, slot));
        match round % 3 {
            0 => assert_eq!(end(get(&node, &a, EXTEND).await), token),
            1 => assert_eq!(
                holder(get(&node, &claim(&["k"], "b"), ACQUIRE).await),
                format!("a{round}")
            ),
            _ => {}
        }
        assert_eq!(end(get(&node, &a, RELEASE).await), 0, "round {round}");
        let keys = BTreeSet::from([fence_key("k")]);
        assert_eq!(cluster.keys(), keys);
    }
}

#[tokio::test]
async fn a_slot_on_its_way_is_served_by_the_side_that_has_the_keys() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let slot = key_slot(&lock_key("k"));
    let to = elsewhere(&cluster, slot);
    let a = claim(&["k"], "a");
    let first = end(get(&node, &a, ACQUIRE).await);
    cluster.begin_move(slot, to);
    assert_eq!(end(get(&node, &a, EXTEND).await), first);
    cluster.move_keys(slot, to);
    cluster.masters()[to].control().flush_scripts();
    assert_eq!(end(get(&node, &a, EXTEND).await), first);
    assert_eq!(holder(get(&node, &claim(&["k"], "b"), ACQUIRE).await), "a");
    assert_eq!(end(get(&node, &a, RELEASE).await), 0);
    // With the lock key on neither side no server takes a request for both keys until the end.
    let error = get(&node, &claim(&["k"], "c"), ACQUIRE).await.unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Loading, "{error}");
    cluster.end_move(slot, to);
    assert_eq!(
        end(get(&node, &claim(&["k"], "d"), ACQUIRE).await),
        first + 1
    );
}

/// With one key on each side, neither server can carry out a request for both.
#[tokio::test]
async fn a_slot_that_is_half_moved_is_asked_again() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let slot = key_slot(&lock_key("k"));
    let to = elsewhere(&cluster, slot);
    let a = claim(&["k"], "a");
    end(get(&node, &a, ACQUIRE).await);
    let from = cluster.owner(slot);
    cluster.masters()[from].control().delete(&lock_key("k"));
    cluster.begin_move(slot, to);
    let acquire = put(&node, &claim(&["k"], "b"), ACQUIRE);
    tokio::time::sleep(Duration::from_millis(100)).await;
    cluster.move_keys(slot, to);
    cluster.end_move(slot, to);
    end(acquire.await.unwrap());
}

#[tokio::test]
async fn a_waiter_is_not_granted_what_is_held_while_its_slot_moves() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let slot = key_slot(&lock_key("k"));
    let to = elsewhere(&cluster, slot);
    let a = claim(&["k"], "a");
    end(get(&node, &a, ACQUIRE).await);
    cluster.begin_move(slot, to);
    // Its place is at neither server, while the lock key is still at the first one.
    let question = put(&node, &waiter("b"), QUEUE);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let there = cluster.masters()[to].control().keys_like("p_lock:*");
    assert!(there.is_empty(), "granted where the key is to go");
    cluster.move_keys(slot, to);
    cluster.end_move(slot, to);
    match question.await.unwrap() {
        Ok(Vote::Held(occupied)) => assert_eq!(occupied.value.as_deref(), Some("a")),
        other => panic!("{other:?}"),
    }
    end(get(&node, &a, RELEASE).await);
    end(get(&node, &waiter("b"), QUEUE).await);
}

#[tokio::test]
async fn nothing_follows_a_slot_behind_its_release() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let slot = key_slot(&lock_key("k"));
    for round in 0..10 {
        cluster.move_slot(slot, elsewhere(&cluster, slot));
        let a = claim(&["k"], &round.to_string());
        let acquire = put(&node, &a, ACQUIRE);
        let release = put(&node, &a, RELEASE);
        let _ = acquire.await.unwrap();
        let _ = release.await.unwrap();
        assert!(!cluster.keys().contains(&lock_key("k")), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_while_locks_are_taken() {
    let cluster = Cluster::start();
    let node = Arc::new(cluster_node(&cluster).await);
    let slots = BTreeSet::from_iter((0..8).map(|task| key_slot(&lock_key(&format!("k{task}")))));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tasks = (0..8).map(|task| {
        let (node, stop) = (node.clone(), stop.clone());
        tokio::spawn(async move {
            let name = format!("k{task}");
            let (mut last, mut round) = (0, 0_u32);
            while !stop.load(std::sync::atomic::Ordering::Acquire) {
                round += 1;
                let a = claim(&[&name], &format!("{task}/{round}"));
                let token = end(get(&node, &a, ACQUIRE).await);
                assert!(token > last, "{token} after {last}");
                last = token;
                assert_eq!(end(get(&node, &a, RELEASE).await), 0);
            }
            round
        })
    });
    let tasks = Vec::from_iter(tasks);
    for _ in 0..3 {
        for slot in &slots {
            cluster.move_slot(*slot, elsewhere(&cluster, *slot));
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Release);
    for task in tasks {
        assert!(task.await.unwrap() > 3);
    }
    assert!(cluster.keys().iter().all(|key| key.starts_with("p_fence:")));
}

#[tokio::test]
async fn wake_ups_come_from_every_server_and_again_after_a_move() {
    let cluster = Cluster::start();
    let (ours, theirs) = (cluster_node(&cluster).await, cluster_node(&cluster).await);
    let pushes = Arc::new(Pushes::default());
    let sink: Arc<dyn WakeSink> = pushes.clone();
    ours.attach(5, Arc::downgrade(&sink));
    for number in 0..6 {
        let name = format!("k{number}");
        let (a, b) = (claim(&[&name], "a"), claim(&[&name], "b"));
        end(get(&theirs, &a, ACQUIRE).await);
        assert_eq!(holder(get(&ours, &b, ACQUIRE).await), "a");
        let slot = key_slot(&lock_key(&name));
        cluster.move_slot(slot, elsewhere(&cluster, slot));
        let woken = (5, Some(lock_key(&name)));
        within(A_WHILE, "the move wakes", || pushes.take().contains(&woken)).await;
        assert_eq!(holder(get(&ours, &b, ACQUIRE).await), "a");
        get(&theirs, &a, RELEASE).await.unwrap();
        within(A_WHILE, "the release wakes", || {
            pushes.take().contains(&woken)
        })
        .await;
    }
}

#[tokio::test]
async fn a_killed_master_takes_only_its_own_slots_along() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    for master in cluster.masters() {
        master
            .control()
            .ask::<()>(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    cluster.masters()[0].kill();
    let (mut served, mut failed) = (0, 0);
    let begun = Instant::now();
    for number in 0..30 {
        let name = format!("k{number}");
        let lost = cluster_slot_of_first(key_slot(&lock_key(&name)));
        match get(&node, &claim(&[&name], "a"), ACQUIRE).await {
            Ok(vote) => {
                end(Ok(vote));
                assert!(!lost, "{name}");
                served += 1;
            }
            Err(error) => {
                assert!(error.kind().is_transient(), "{error}");
                assert!(lost, "{name}: {error}");
                failed += 1;
            }
        }
    }
    assert!(served > 5 && failed > 2, "{served} served, {failed} failed");
    assert!(begun.elapsed() < A_WHILE);
}

#[tokio::test]
async fn a_replica_that_takes_over_keeps_the_locks_that_it_has_heard_of() {
    let cluster = Cluster::start();
    let replica = cluster.add_replica(0);
    let node = cluster_node(&cluster).await;
    let name = (0..)
        .map(|number| format!("k{number}"))
        .find(|name| cluster_slot_of_first(key_slot(&lock_key(name))))
        .unwrap();
    let (a, b) = (claim(&[&name], "a"), claim(&[&name], "b"));
    // Longer than a replica may take.
    let acquire = Op::Acquire {
        ttl: Duration::from_secs(120),
        reserve: 1,
    };
    let token = end(get(&node, &a, acquire).await);
    within(A_WHILE, "the lock is replicated", || {
        replica.control().keys().contains(&lock_key(&name))
    })
    .await;
    cluster.fail_over(0, &replica);
    let begun = Instant::now();
    let seen = loop {
        match get(&node, &b, ACQUIRE).await {
            Ok(vote) => break holder(Ok(vote)),
            Err(error) => assert!(error.kind().is_transient(), "{error}"),
        }
        assert!(begun.elapsed() < A_WHILE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(seen, "a");
    assert_eq!(end(get(&node, &a, EXTEND).await), token);
    assert_eq!(end(get(&node, &a, RELEASE).await), 0);
    assert_eq!(end(get(&node, &b, ACQUIRE).await), token + 1);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_cluster_under_tls_is_followed_and_pushes() {
    let authority = klg_lock_tests::Authority::new();
    let cluster = Cluster::start_tls(&authority);
    let uri = format!("{}?tls_ca={}", cluster.uri(), authority.root().display());
    let endpoint = Endpoint::parse(&uri).unwrap();
    let (node, connected) = ClusterNode::start(&endpoint, &NodeOptions::default()).await;
    connected.unwrap();
    assert!(node.pushes());
    for number in 0..12 {
        let name = format!("k{number}");
        let (a, b) = (claim(&[&name], "a"), claim(&[&name], "b"));
        let token = end(get(&node, &a, ACQUIRE).await);
        if number % 4 == 0 {
            let slot = key_slot(&lock_key(&name));
            cluster.move_slot(slot, elsewhere(&cluster, slot));
        }
        assert_eq!(holder(get(&node, &b, ACQUIRE).await), "a");
        assert_eq!(end(get(&node, &a, EXTEND).await), token);
        assert_eq!(end(get(&node, &a, RELEASE).await), 0);
    }
}

/// The harness deals the slots out in thirds.
fn cluster_slot_of_first(slot: u16) -> bool {
    slot < 16_384_u16.div_ceil(3)
}

#[tokio::test]
async fn closing_leaves_nothing_open() {
    let cluster = Cluster::start();
    let node = cluster_node(&cluster).await;
    let a = claim(&["k"], "a");
    end(get(&node, &a, ACQUIRE).await);
    let release = put(&node, &a, RELEASE);
    node.close(A_WHILE).await;
    assert_eq!(end(release.await.unwrap()), 0);
    assert_eq!(
        kind(get(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::Closed
    );
    drop(node);
    let name = |client: &std::collections::BTreeMap<String, String>| {
        client["name"].starts_with("klg-lock")
    };
    within(A_WHILE, "no connection is left", || {
        cluster
            .masters()
            .iter()
            .all(|master| !master.control().clients().iter().any(name))
    })
    .await;
    let metrics = tokio::runtime::Handle::current().metrics();
    within(A_WHILE, "no task is left", || {
        metrics.num_alive_tasks() == 0
    })
    .await;
}

#[tokio::test]
async fn a_single_server_is_no_cluster() {
    let server = Server::start();
    let uri = server.uri().replace("redis://", "redis+cluster://");
    let endpoint = Endpoint::parse(&uri).unwrap();
    let error = crate::node::open(&endpoint, &NodeOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Redis { .. }));
    assert!(error.to_string().contains("redis://host:port"), "{error}");
}
