//! Opening a node: what is an error at once, and what is only a warning.

use klg_lock_tests::{Peer, Port, Proxy};

use super::*;
use crate::error::Error;

async fn open_error(uri: &str, options: NodeOptions) -> String {
    let endpoint = Endpoint::parse(uri).unwrap();
    match crate::node::open(&endpoint, &options).await {
        Ok(node) => panic!("{uri} opened as {node:?}"),
        Err(error) => {
            assert!(matches!(error, Error::Redis { .. }), "{error}");
            error.to_string()
        }
    }
}

async fn fails(uri: &str, words: &[&str]) {
    let text = open_error(uri, NodeOptions::default()).await;
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn faults_that_waiting_does_not_mend_are_errors_with_the_way_out() {
    let server = Server::with().password("secret").start();
    let address = server.address();
    fails(
        &format!("redis://{address}"),
        &["NOAUTH", "user name and password"],
    )
    .await;
    fails(
        &format!("redis://:wrong-secret@{address}"),
        &["WRONGPASS", "user name and password"],
    )
    .await;
    fails(
        &format!("redis://:wrong-secret@{address}?protocol=resp2"),
        &["WRONGPASS", "user name and password"],
    )
    .await;
    fails(&format!("{}/99", server.uri()), &["no database 99"]).await;
    fails(
        &Peer::answering("HTTP/1.1 400 Bad Request\r\n\r\n").uri(),
        &["does not speak the Redis protocol"],
    )
    .await;
    fails(
        &Peer::greeting("SSH-2.0-OpenSSH_9.2\r\n").uri(),
        &["does not speak the Redis protocol"],
    )
    .await;
}

#[tokio::test]
async fn a_replica_is_refused_and_says_what_to_name_instead() {
    let master = Server::start();
    let replica = Server::with().replica_of(&master).start();
    fails(&replica.uri(), &["replica", "name the master"]).await;
    fails(
        &format!("{}?protocol=resp2", replica.uri()),
        &["replica", "name the master"],
    )
    .await;
}

#[tokio::test]
async fn one_server_of_a_cluster_is_refused() {
    let server = Server::with().set("cluster-enabled", "yes").start();
    fails(&server.uri(), &["redis+cluster://"]).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_unless_it_is_required() {
    let port = Port::lease();
    let uri = format!("redis://:secret@{}", port.address());
    let required = NodeOptions {
        require_connection: true,
        ..NodeOptions::default()
    };
    let text = open_error(&uri, required).await;
    assert!(text.contains("is Redis running there?"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let text = open_error(
        "redis://no-such-host.invalid",
        NodeOptions {
            require_connection: true,
            ..NodeOptions::default()
        },
    )
    .await;
    assert!(text.contains("no-such-host.invalid"), "{text}");

    let server = Server::start();
    let proxy = Proxy::to(server.address());
    proxy.refuse();
    let endpoint = Endpoint::parse(&proxy.uri()).unwrap();
    let node = crate::node::open(&endpoint, &NodeOptions::default())
        .await
        .unwrap();
    assert_eq!(node.label(), proxy.uri());
    let a = claim(&["k"], "a");
    let request = Request {
        claim: a,
        op: ACQUIRE,
    };
    let error = node.submit(request.clone()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Unreachable);
    proxy.accept();
    let begun = std::time::Instant::now();
    while node.submit(request.clone()).await.unwrap().is_err() {
        assert!(begun.elapsed() < A_WHILE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_least_rights_are_enough() {
    let rules = "on >pw resetkeys ~p_* -@all +evalsha +eval +get +getex +set +del +incrby +time +pttl +pexpire +pexpireat +ping";
    let server = Server::with().user("app", rules).start();
    let node = open(&server.uri_as("app", "pw")).await;
    for keys in [&["k"][..], &["m", "n"]] {
        let (a, b) = (claim(keys, "a"), claim(keys, "b"));
        end(ask(&node, &a, ACQUIRE).await);
        assert_eq!(holder(ask(&node, &b, ACQUIRE).await), "a");
        for op in [
            EXTEND,
            Op::Heal { ttl: TTL, fence: 1 },
            Op::Raise { fence: 1 },
            Op::Inspect,
            RELEASE,
        ] {
            ask(&node, &a, op).await.unwrap();
        }
    }
    // A key that may not be touched is an error, and not somebody's lock.
    let key = |lock: &str, fence: &str| LockKey {
        lock: lock.into(),
        fence: fence.into(),
    };
    for keys in [
        vec![key("other", "p_x")],
        vec![key("p_y", "other")],
        vec![key("p_y", "p_x"), key("other", "p_z")],
        vec![key("p_y", "p_x"), key("p_z", "other")],
    ] {
        let strange = Arc::new(Claim::new(Arc::new(KeySet::new(keys, 0)), "a"));
        let error = ask(&node, &strange, ACQUIRE).await.unwrap_err();
        assert_eq!(error.kind(), NodeErrorKind::Forbidden, "{error}");
        assert_eq!(server.control().get("p_y"), None);
    }
}

#[tokio::test]
async fn a_connection_is_named_and_in_its_database() {
    let server = Server::start();
    let options = NodeOptions {
        name: "my locks".into(),
        ..NodeOptions::default()
    };
    let (node, connected) = start(&format!("{}/3", server.uri()), options).await;
    connected.unwrap();
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
    let clients = server.control().clients();
    assert_eq!(clients.len(), 1);
    assert_eq!(clients[0]["name"], "klg-lock:my-locks");
    assert_eq!(clients[0]["db"], "3");
    assert_eq!(clients[0]["resp"], "3");
}

#[tokio::test]
async fn a_unix_socket_does_as_well() {
    let server = Server::with().password("secret").start();
    let node = open(&server.unix_uri()).await;
    assert!(!node.label().contains("secret"));
    end(ask(&node, &claim(&["k"], "a"), ACQUIRE).await);
}
