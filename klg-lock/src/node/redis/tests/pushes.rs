//! Wake-ups by the server.

use klg_lock_tests::poll::within;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Waits for the push of one key, or of all.
async fn pushed(pushes: &Pushes, index: usize, key: Option<&str>) {
    let expected = (index, key.map(lock_key));
    within(SECOND, "a push arrives", || {
        pushes.take().contains(&expected)
    })
    .await;
}

/// Nothing is on its way any more once the node has been asked, and has answered.
async fn quiet(node: &RedisNode, pushes: &Pushes) {
    ask(node, &claim(&["unrelated"], "x"), Op::Inspect)
        .await
        .unwrap();
    // A refused attempt subscribes to all keys of its script, the counters among them.
    let mut all = pushes.take();
    all.retain(|(_, key)| !key.as_ref().is_some_and(|key| key.starts_with("p_fence:")));
    assert_eq!(all, []);
}

#[tokio::test]
async fn a_refused_attempt_is_its_own_one_shot_subscription() {
    let server = Server::start();
    let (ours, theirs) = (node(&server).await, node(&server).await);
    let pushes = Pushes::attached(&ours, 3);
    assert!(ours.pushes());
    for keys in [&["k"][..], &["j", "k"]] {
        let (a, b) = (claim(&["k"], "a"), claim(keys, "b"));
        end(ask(&theirs, &a, ACQUIRE).await);
        assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
        quiet(&ours, &pushes).await;
        let longer = Op::Extend {
            ttl: TTL * 2,
            reserve: 0,
        };
        end(ask(&theirs, &a, longer).await);
        pushed(&pushes, 3, Some("k")).await;
        assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
        ask(&theirs, &a, RELEASE).await.unwrap();
        pushed(&pushes, 3, Some("k")).await;
        end(ask(&theirs, &claim(&["k"], "c"), ACQUIRE).await);
        server.control().delete(&lock_key("k"));
        quiet(&ours, &pushes).await;
    }
}

#[tokio::test]
async fn deletion_by_anybody_and_a_flush_wake() {
    let server = Server::start();
    let (ours, theirs) = (node(&server).await, node(&server).await);
    let pushes = Pushes::attached(&ours, 0);
    let mut control = server.control();
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(ask(&theirs, &a, ACQUIRE).await);
    assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
    control.delete(&lock_key("k"));
    pushed(&pushes, 0, Some("k")).await;
    end(ask(&theirs, &a, ACQUIRE).await);
    assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
    control.flush_all();
    pushed(&pushes, 0, None).await;
}

#[tokio::test]
async fn own_changes_push_nothing() {
    let server = Server::start();
    let node = node(&server).await;
    // From here on the server knows the scripts: a release that goes twice wakes by itself.
    ask(&node, &claim(&["other"], "x"), RELEASE).await.unwrap();
    let pushes = Pushes::attached(&node, 0);
    let a = claim(&["k"], "a");
    end(ask(&node, &a, ACQUIRE).await);
    assert_eq!(holder(ask(&node, &claim(&["k"], "b"), ACQUIRE).await), "a");
    end(ask(&node, &a, EXTEND).await);
    ask(&node, &a, RELEASE).await.unwrap();
    quiet(&node, &pushes).await;
}

#[tokio::test]
async fn a_grant_leaves_no_trace_in_the_tracking_table() {
    let server = Server::start();
    let node = node(&server).await;
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    assert_eq!(server.control().info("stats", "tracking_total_keys"), 0);
    assert_eq!(holder(ask(&node, &claim(&["k"], "b"), ACQUIRE).await), "a");
    assert!(server.control().info("stats", "tracking_total_keys") > 0);
}

#[tokio::test]
async fn after_a_reconnect_every_waiter_is_woken_and_pushes_come_again() {
    let server = Server::start();
    let (ours, theirs) = (node(&server).await, node(&server).await);
    let pushes = Pushes::attached(&ours, 7);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(ask(&theirs, &a, ACQUIRE).await);
    assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
    server.control().kill_clients();
    within(A_WHILE, "the loss is told", || {
        pushes.take().contains(&(7, None))
    })
    .await;
    recovers(&theirs, "x").await;
    assert!(ours.pushes());
    assert_eq!(holder(ask(&ours, &b, ACQUIRE).await), "a");
    ask(&theirs, &a, RELEASE).await.unwrap();
    pushed(&pushes, 7, Some("k")).await;
}

#[tokio::test]
async fn resp2_and_missing_rights_mean_polling() {
    let server = Server::with()
        .user("app", "on >pw ~* &* +@all -client|tracking")
        .start();
    let resp2 = open(&format!("{}?protocol=resp2", server.uri())).await;
    assert!(!resp2.pushes());
    let denied = open(&server.uri_as("app", "pw")).await;
    assert!(!denied.pushes());
    for (node, resource) in [(resp2, "a"), (denied, "b")] {
        let (a, b) = (claim(&[resource], "a"), claim(&[resource], "b"));
        end(ask(&node, &a, ACQUIRE).await);
        assert_eq!(holder(ask(&node, &b, ACQUIRE).await), "a");
        assert_eq!(end(ask(&node, &a, RELEASE).await), 0);
        assert_eq!(ask(&node, &b, EXTEND).await.unwrap(), Vote::Missing);
    }
}

#[tokio::test]
async fn a_dead_connection_that_nobody_uses_is_noticed() {
    let server = Server::start();
    let proxy = klg_lock_tests::Proxy::to(server.address());
    let options = NodeOptions {
        ping_interval: Duration::from_millis(50),
        deadline: Duration::from_millis(100),
        ..NodeOptions::default()
    };
    let (node, connected) = start(&proxy.uri(), options).await;
    connected.unwrap();
    let pushes = Pushes::attached(&node, 0);
    proxy.hold_present(klg_lock_tests::Way::Replies);
    within(A_WHILE, "the waiters are woken", || {
        pushes.take().contains(&(0, None))
    })
    .await;
    assert!(node.pushes());
}

/// A release that asked by hash first, and then whole, would run behind the acquire that follows it.
#[tokio::test]
async fn nothing_overtakes_the_first_release_on_a_fresh_server() {
    let server = Server::start();
    let node = node(&server).await;
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    end(ask(&node, &a, ACQUIRE).await);
    let released = submit(&node, &a, RELEASE);
    end(ask(&node, &b, ACQUIRE).await);
    end(released.await.unwrap());
}

/// The server forgets its scripts, and learns that for acquires again from somebody else: the
/// release goes twice, and the acquire behind it is refused in between.
#[tokio::test]
async fn a_release_that_was_overtaken_wakes_whoever_it_kept_out() {
    let server = Server::start();
    let (ours, theirs) = (node(&server).await, node(&server).await);
    let pushes = Pushes::attached(&ours, 0);
    let (a, b) = (claim(&["k"], "a"), claim(&["k"], "b"));
    let other = claim(&["other"], "a");
    end(ask(&ours, &other, ACQUIRE).await);
    end(ask(&ours, &other, RELEASE).await);
    end(ask(&ours, &a, ACQUIRE).await);
    server.control().flush_scripts();
    end(ask(&theirs, &claim(&["other"], "c"), ACQUIRE).await);
    pushes.take();
    // Both are on their way before the first is answered.
    server.pause();
    let released = submit(&ours, &a, RELEASE);
    let by_script = Op::Acquire {
        ttl: TTL,
        reserve: 2,
    };
    let refused = submit(&ours, &b, by_script);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    server.resume();
    assert_eq!(holder(refused.await.unwrap()), "a");
    end(released.await.unwrap());
    pushed(&pushes, 0, Some("k")).await;
}
