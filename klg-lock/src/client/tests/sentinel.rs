//! A master that the sentinels name.

use klg_lock_tests::Sentinel;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fail_over_is_followed() {
    let set = Sentinel::start();
    let link = open(&set.uri()).await;
    ask(&link, &["SET", "k", "1"]).await.unwrap();
    assert_eq!(set.master().control().get("k").as_deref(), Some("1"));
    set.fail_over();
    recovers(&link, &["SET", "k", "2"]).await;
    assert_eq!(set.master().control().get("k").as_deref(), Some("2"));
}

#[tokio::test]
async fn sentinels_that_are_gone_or_strange_do_not_hide_the_others() {
    let set = Sentinel::start();
    let [first, ..] = set.sentinels();
    let server = Server::start();
    let peer = klg_lock_tests::Peer::silent();
    let uri = format!(
        "redis+sentinel://127.0.0.1:1,{},{},{}/{}",
        server.address(),
        peer.address(),
        first.address(),
        Sentinel::MASTER
    );
    ask(&open(&uri).await, &["SET", "k", "1"]).await.unwrap();
}

#[tokio::test]
async fn an_unknown_master_and_a_server_that_is_no_sentinel_are_errors() {
    let set = Sentinel::start();
    let [first, ..] = set.sentinels();
    let server = Server::start();
    let uri = format!("redis+sentinel://{}/nobody", first.address());
    for (uri, words) in [
        (uri, "knows no master named \"nobody\""),
        (
            format!("redis+sentinel://{}/m", server.address()),
            "sentinel",
        ),
        (first.uri(), "redis+sentinel://"),
    ] {
        let error = Link::open(&Endpoint::parse(&uri).unwrap(), options())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}
