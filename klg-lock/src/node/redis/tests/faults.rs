//! Everything that can happen to a connection.

use klg_lock_tests::poll::within;
use klg_lock_tests::{Peer, Proxy, Way};
use std::time::Instant;

use super::*;

const DEADLINE: Duration = Duration::from_millis(100);

fn impatient() -> NodeOptions {
    NodeOptions {
        deadline: DEADLINE,
        ..NodeOptions::default()
    }
}

async fn impatient_node(uri: &str) -> RedisNode {
    let (node, connected) = start(uri, impatient()).await;
    connected.unwrap();
    node
}

// The harness blocks its thread; the node's task must go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_request_after_a_restart_succeeds() {
    let server = Server::start();
    let node = node(&server).await;
    for round in 0..3 {
        end(ask(&node, &claim(&["k"], &format!("{round}")), ACQUIRE).await);
        server.restart();
        let begun = Instant::now();
        assert!(
            recovers(&node, "k").await < Duration::from_millis(200),
            "{:?}",
            begun.elapsed()
        );
    }
    assert_eq!(node.health().reconnects, 3);
}

#[tokio::test]
async fn a_cut_connection_fails_what_was_under_way_and_comes_back() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let node = open(&proxy.uri()).await;
    proxy.hold(Way::Replies);
    let reply = submit(&node, &claim(&["k"], "a"), ACQUIRE);
    tokio::task::yield_now().await;
    proxy.pass();
    proxy.cut();
    // Either the answer made it out in time, or it is lost with the connection.
    match reply.await.unwrap() {
        Ok(vote) => assert!(end(Ok(vote)) > 0),
        Err(error) => assert_eq!(error.kind(), NodeErrorKind::Unreachable),
    }
    recovers(&node, "k").await;
}

#[tokio::test]
async fn a_killed_client_and_a_changed_password_are_survived() {
    let server = Server::with().password("right").start();
    let node = node(&server).await;
    let mut control = server.control();
    for _ in 0..3 {
        control.kill_clients();
        recovers(&node, "k").await;
    }
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "wrong"]);
    control.kill_clients();
    within(A_WHILE, "the node is refused", || {
        node.health()
            .last_error
            .is_some_and(|e| e.kind() == NodeErrorKind::Unauthorized)
    })
    .await;
    assert_eq!(
        kind(ask(&node, &claim(&["k"], "a"), ACQUIRE).await),
        NodeErrorKind::Unauthorized
    );
    control.ask::<()>(&["CONFIG", "SET", "requirepass", "right"]);
    recovers(&node, "k").await;
}

#[tokio::test]
async fn a_hung_server_costs_one_deadline_and_then_nothing() {
    let server = Server::start();
    let node = impatient_node(&server.uri()).await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    server.pause();
    let begun = Instant::now();
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::TimedOut
    );
    let waited = begun.elapsed();
    assert!(waited >= DEADLINE && waited < DEADLINE * 10, "{waited:?}");
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(ask(&node, &claim(&["l"], "a"), ACQUIRE).await.is_err());
        assert!(begun.elapsed() < DEADLINE / 4, "{:?}", begun.elapsed());
    }
    server.resume();
    recovers(&node, "k").await;
}

#[tokio::test]
async fn a_short_hang_does_not_cost_the_connection() {
    let server = Server::start();
    let node = impatient_node(&server.uri()).await;
    let pushes = Pushes::attached(&node, 0);
    let first: u64 = server.control().clients()[0]["id"].parse().unwrap();
    server.pause();
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::TimedOut
    );
    assert_eq!(node.health().state, crate::client::HealthState::Suspect);
    server.resume();
    within(A_WHILE, "the node is up", || {
        node.health().state == crate::client::HealthState::Up
    })
    .await;
    assert!(pushes.take().contains(&(0, None)));
    let second: u64 = server.control().clients()[0]["id"].parse().unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_peer_that_takes_bytes_and_never_answers_is_replaced() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let node = impatient_node(&proxy.uri()).await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    // Only the present connection hangs: a new one is answered.
    proxy.hold_present(Way::Replies);
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::TimedOut
    );
    recovers(&node, "k").await;
    assert_eq!(holder(ask(&node, &claim(&["k"], "b"), ACQUIRE).await), "a");
}

/// "A hung server executed the old acquire after the release."
#[tokio::test]
async fn nothing_of_a_claim_is_carried_out_after_its_release() {
    let server = Server::start();
    let node = impatient_node(&server.uri()).await;
    for round in 0..10 {
        let key = format!("k{round}");
        let a = claim(&[&key], "a");
        server.pause();
        let acquire = submit(&node, &a, ACQUIRE);
        assert_eq!(kind(acquire.await.unwrap()), NodeErrorKind::TimedOut);
        let release = submit(&node, &a, RELEASE);
        if round % 2 == 0 {
            // Long enough for the connection to be given up, and a new one to be waiting.
            within(A_WHILE, "the connection is given up", || {
                node.health().state == crate::client::HealthState::Down
            })
            .await;
        }
        server.resume();
        release.await.unwrap().unwrap();
        recovers(&node, &key).await;
        assert_eq!(server.control().get(&lock_key(&key)), None, "round {round}");
    }
}

/// The same where the old connection is still open at the server, full of commands not yet read.
#[tokio::test]
async fn an_acquire_that_is_stuck_on_the_wire_dies_with_its_connection() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let node = impatient_node(&proxy.uri()).await;
    let id = server.control().clients()[0]["id"].clone();
    let a = claim(&["k"], "a");
    proxy.hold_present(Way::Requests);
    assert_eq!(kind(ask(&node, &a, ACQUIRE).await), NodeErrorKind::TimedOut);
    ask(&node, &a, RELEASE).await.unwrap();
    // The old connection was ended at the server before the release went over the new one.
    assert!(
        server
            .control()
            .clients()
            .iter()
            .all(|client| client["id"] != id)
    );
    proxy.pass();
    ask(&node, &claim(&["x"], "x"), Op::Inspect).await.unwrap();
    assert_eq!(server.control().get(&lock_key("k")), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_number_that_another_run_of_the_server_gave_away_again_is_not_killed() {
    let server = Server::start();
    // The node's connection takes a number that an innocent client will have after the restart.
    let node = node(&server).await;
    let taken: u64 = server.control().clients()[0]["id"].parse().unwrap();
    server.restart();
    let mut control = server.control();
    let innocents: Vec<_> = (0..taken + 5).map(|_| server.wire()).collect();
    recovers(&node, "k").await;
    control.ask::<()>(&["PING"]);
    assert_eq!(control.calls_of("client|kill"), 0);
    drop(innocents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_release_waits_for_a_server_that_is_away() {
    let server = Server::with().durable().start();
    let node = node(&server).await;
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    server.kill();
    within(A_WHILE, "the loss is noticed", || {
        node.health().state == crate::client::HealthState::Down
    })
    .await;
    let release = submit(&node, &a, RELEASE);
    server.restart();
    assert_eq!(end(release.await.unwrap()), 0);
    assert_eq!(server.control().get(&lock_key("k")), None);
}

#[tokio::test]
async fn a_release_is_tried_for_no_longer_than_there_is_something_to_release() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let node = impatient_node(&proxy.uri()).await;
    proxy.refuse();
    within(A_WHILE, "the loss is noticed", || {
        node.health().state == crate::client::HealthState::Down
    })
    .await;
    let keep_trying = Duration::from_millis(300);
    let begun = Instant::now();
    let error = ask(&node, &claim(&["k"], "a"), Op::Release { keep_trying })
        .await
        .unwrap_err();
    let waited = begun.elapsed();
    assert_eq!(error.kind(), NodeErrorKind::Unreachable);
    assert!(
        waited >= keep_trying && waited < keep_trying * 5,
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_release_is_repeated_while_the_server_cannot_carry_it_out() {
    let server = Server::start();
    let node = node(&server).await;
    let pushes = Pushes::attached(&node, 0);
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    let mut control = server.control();
    control.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let mut release = submit(&node, &a, RELEASE);
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::ReadOnly
    );
    assert!(release.try_recv().is_err());
    control.ask::<()>(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    assert_eq!(end(release.await.unwrap()), 0);
    // Whoever was refused meanwhile is told by nobody else.
    within(A_WHILE, "the waiters of the key are woken", || {
        pushes.take().contains(&(0, Some(lock_key("k"))))
    })
    .await;
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_is_left_for_the_new_one() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.address());
    let node = open(&proxy.uri()).await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    let port = new.port().to_string();
    old.control().ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::ReadOnly
    );
    within(A_WHILE, "the replica is left", || {
        node.health().state == crate::client::HealthState::Down
    })
    .await;
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::ReadOnly
    );
    old.control().ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    recovers(&node, "k").await;
    end(ask(&node, &claim(&["l"], "a"), ACQUIRE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_loading_server_says_so_and_is_used_when_it_has_loaded() {
    let server = Server::start();
    let node = node(&server).await;
    server.restart_into_loading(Duration::from_millis(1500));
    within(A_WHILE, "the node hears of the loading", || {
        node.health()
            .last_error
            .is_some_and(|e| e.kind() == NodeErrorKind::Loading)
    })
    .await;
    assert_eq!(
        kind(ask(&node, &claim(&["k"], "a"), ACQUIRE).await),
        NodeErrorKind::Loading
    );
    recovers(&node, "k").await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_not_the_node() {
    let peer = Peer::answering("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n");
    let (node, connected) = start(&peer.uri(), impatient()).await;
    assert!(connected.is_err());
    assert!(ask(&node, &claim(&["k"], "a"), ACQUIRE).await.is_err());
}

#[tokio::test]
async fn once_the_release_is_queued_nothing_else_is_sent() {
    let server = Server::start();
    let node = node(&server).await;
    let mut control = server.control();
    let a = claim(&["k"], "a");
    a.mark_released();
    for op in [
        ACQUIRE,
        EXTEND,
        Op::Heal { ttl: TTL, fence: 1 },
        Op::Raise { fence: 1 },
    ] {
        assert_eq!(kind(ask(&node, &a, op).await), NodeErrorKind::Closed);
    }
    assert_eq!(control.calls_of("evalsha"), 0);
    // The repeat with the script's source would come after the release.
    for round in 0..50 {
        control.flush_scripts();
        let a = claim(&["k"], &round.to_string());
        let acquire = submit(&node, &a, ACQUIRE);
        let release = submit(&node, &a, RELEASE);
        let _ = acquire.await.unwrap();
        release.await.unwrap().unwrap();
        assert_eq!(control.get(&lock_key("k")), None, "round {round}");
    }
}

#[tokio::test]
async fn closing_answers_what_was_asked_and_leaves_nothing_open() {
    let server = Server::start();
    let node = node(&server).await;
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    let release = submit(&node, &a, RELEASE);
    node.close(A_WHILE).await;
    assert_eq!(end(release.await.unwrap()), 0);
    assert_eq!(
        kind(ask(&node, &claim(&["l"], "a"), ACQUIRE).await),
        NodeErrorKind::Closed
    );
    assert_eq!(kind(ask(&node, &a, RELEASE).await), NodeErrorKind::Closed);
    within(A_WHILE, "the connection is gone", || {
        server.control().clients().is_empty()
    })
    .await;
    node.close(A_WHILE).await;
}

#[tokio::test]
async fn closing_ends_in_time_with_a_server_that_is_away() {
    let server = Server::start();
    let node = node(&server).await;
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    server.pause();
    let release = submit(&node, &a, RELEASE);
    let begun = Instant::now();
    node.close(DEADLINE).await;
    assert!(begun.elapsed() < DEADLINE * 10);
    assert_eq!(kind(release.await.unwrap()), NodeErrorKind::Closed);
    server.resume();
}

#[tokio::test]
async fn dropping_a_node_or_its_opening_leaves_nothing_open() {
    let server = Server::start();
    let node = node(&server).await;
    let reply = submit(&node, &claim(&["k"], "a"), ACQUIRE);
    drop(node);
    drop(reply.await);
    let endpoint = Endpoint::parse(&server.uri()).unwrap();
    for polls in 0..20 {
        let options = NodeOptions::default();
        let opening = RedisNode::start(&endpoint, &options);
        drop(klg_lock_tests::poll::cancelled_after(polls, opening).await);
    }
    within(A_WHILE, "no connection is left", || {
        server.control().clients().is_empty()
    })
    .await;
    within(A_WHILE, "no task is left", || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
            == 0
    })
    .await;
}

#[tokio::test]
async fn an_idle_node_sleeps() {
    let server = Server::start();
    let node = node(&server).await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    tokio::time::sleep(Duration::from_millis(800)).await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let polls = metrics.worker_park_count(0) - before;
    // The test's own timer, and the turns of the timer wheel.
    assert!(polls <= 5, "{polls} wake-ups in two idle seconds");
}
