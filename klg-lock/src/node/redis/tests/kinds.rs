//! Lock nodes behind Sentinel and under TLS.

use super::*;

#[cfg(feature = "sentinel")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_follows_a_fail_over() {
    let set = klg_lock_tests::Sentinel::start();
    let node = open(&set.uri()).await;
    assert!(node.pushes());
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    set.fail_over();
    recovers(&node, "k").await;
    let b = claim(&["l"], "b");
    end(ask(&node, &b, ACQUIRE).await);
    assert_eq!(
        set.master().control().get(&lock_key("l")).as_deref(),
        Some("b")
    );
    assert_eq!(end(ask(&node, &b, RELEASE).await), 0);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_node_works_under_tls_with_wake_ups() {
    let authority = klg_lock_tests::Authority::new();
    let server = Server::with().tls(&authority, true).start();
    let uri = format!(
        "{}?tls_ca={}&tls_cert={}&tls_key={}",
        server.tls_uri(),
        authority.root().display(),
        authority.client_certificate().display(),
        authority.client_key().display()
    );
    let node = open(&uri).await;
    let pushes = Pushes::attached(&node, 0);
    let names = Vec::from_iter((0..50).map(|number| format!("k{number}")));
    let claims = Vec::from_iter(names.iter().map(|name| claim(&[name], "a")));
    for op in [ACQUIRE, RELEASE] {
        let replies = Vec::from_iter(claims.iter().map(|claim| submit(&node, claim, op)));
        for reply in replies {
            end(reply.await.unwrap());
        }
    }
    server
        .control()
        .set_if_absent(&lock_key("k"), "foreign", TTL);
    assert_eq!(
        holder(ask(&node, &claim(&["k"], "a"), ACQUIRE).await),
        "foreign"
    );
    server.control().delete(&lock_key("k"));
    let woken = (0, Some(lock_key("k")));
    klg_lock_tests::poll::within(A_WHILE, "the deletion wakes", || {
        pushes.take().contains(&woken)
    })
    .await;
    server.control().kill_clients();
    recovers(&node, "k").await;
}
