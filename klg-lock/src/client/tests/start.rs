//! Opening a link, and closing it.

use klg_lock_tests::poll::{cancelled_after, within};
use klg_lock_tests::{Peer, Port, Proxy};

use super::super::backend::Backend;
use super::*;

async fn fails(uri: &str, options: LinkOptions, words: &[&str]) {
    let error = Link::open(&Endpoint::parse(uri).unwrap(), options)
        .await
        .expect_err(uri);
    assert!(matches!(error, Error::Redis { .. }), "{error}");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn faults_that_waiting_does_not_mend_name_client_server_and_way_out() {
    let server = Server::with().password("secret").start();
    let address = server.address().to_string();
    let ours = ["\"test\"", address.as_str()];
    for (uri, words) in [
        (
            format!("redis://{address}"),
            ["NOAUTH", "user name and password"],
        ),
        (
            format!("redis://:wrong-secret@{address}"),
            ["WRONGPASS", "user name and password"],
        ),
        (
            format!("redis://:wrong-secret@{address}?protocol=resp2"),
            ["WRONGPASS", "user name and password"],
        ),
        (
            format!("{}/99", server.uri()),
            ["no database 99", "CONFIG GET databases"],
        ),
    ] {
        fails(&uri, options(), &[&words[..], &ours].concat()).await;
    }
    for peer in [
        Peer::answering("HTTP/1.1 400 Bad Request\r\n\r\n"),
        Peer::greeting("SSH-2.0-OpenSSH_9.2\r\n"),
        Peer::answering("+OK\r\n"),
    ] {
        fails(
            &peer.uri(),
            options(),
            &["does not speak the Redis protocol"],
        )
        .await;
    }
    let node = Server::with().set("cluster-enabled", "yes").start();
    fails(&node.uri(), options(), &["redis+cluster://"]).await;
    let error = Link::open(&Endpoint::parse("memory://").unwrap(), options())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Config(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_only_where_it_is_required() {
    let port = Port::lease();
    let uri = format!("redis://:secret@{}", port.address());
    let required = LinkOptions {
        require_connection: true,
        ..options()
    };
    fails(&uri, required.clone(), &["is Redis running there?"]).await;
    fails(
        "redis://no-such-host.invalid",
        required.clone(),
        &["no-such-host.invalid"],
    )
    .await;
    for peer in [Peer::silent(), Peer::closing()] {
        fails(
            &peer.uri(),
            required.clone(),
            &[&peer.address().to_string()],
        )
        .await;
    }
    let socket = "redis+unix:///no/such/redis.sock";
    fails(socket, required, &["does the socket exist"]).await;

    let server = Server::start();
    let proxy = Proxy::to(server.address());
    proxy.refuse();
    let link = open(&proxy.uri()).await;
    assert_eq!(link.health().state, HealthState::Down);
    let begun = Instant::now();
    let error = ask(&link, &["PING"]).await.unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Unreachable, "{error}");
    assert!(begun.elapsed() >= options().deadline);
    // One that waits is served as soon as the server is there.
    let waiting = tokio::spawn({
        let link = link.clone();
        async move { ask(&link, &["PING"]).await }
    });
    tokio::task::yield_now().await;
    proxy.accept();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lazy_link_connects_at_its_first_use() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let lazy = LinkOptions {
        lazy: true,
        ..options()
    };
    let link = Link::open(&Endpoint::parse(&proxy.uri()).unwrap(), lazy)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(proxy.connections(), 0);
    assert_eq!(link.health().state, HealthState::Connecting);
    ask(&link, &["PING"]).await.unwrap();
    assert_eq!(proxy.connections(), 1);
}

#[tokio::test]
async fn name_database_and_protocol_are_set_up_each_time() {
    let server = Server::start();
    for (query, resp) in [("", "3"), ("?protocol=resp2", "2")] {
        let link = open(&format!("{}/3{query}", server.uri())).await;
        for _ in 0..3 {
            ask(&link, &["SET", "where", "here"]).await.unwrap();
            let clients = server.control().clients();
            assert_eq!(clients.len(), 1);
            assert_eq!(clients[0]["name"], "klg-lock:test");
            assert_eq!(clients[0]["db"], "3");
            assert_eq!(clients[0]["resp"], resp);
            server.control().kill_clients();
            recovers(&link, &["PING"]).await;
        }
        drop(link);
        within(A_WHILE, "it is closed", || {
            server.control().clients().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_without_hello_is_spoken_to_as_ever() {
    // Renaming is how administrators take commands away.
    let server = Server::with()
        .password("secret")
        .set("rename-command", "HELLO \"\"")
        .start();
    let link = open(&server.uri()).await;
    ask(&link, &["PING"]).await.unwrap();
    let clients = server.control().clients();
    assert_eq!(clients[0]["resp"], "2");
    assert_eq!(clients[0]["name"], "klg-lock:test");
    let wrong = format!("redis://:wrong-secret@{}", server.address());
    fails(&wrong, options(), &["WRONGPASS"]).await;
}

#[tokio::test]
async fn a_user_and_a_unix_socket_do_as_well() {
    let server = Server::with()
        .password("secret")
        .user("app", "on >pw ~app_* +@all")
        .start();
    let link = open(&server.uri_as("app", "pw")).await;
    ask(&link, &["SET", "app_k", "1"]).await.unwrap();
    let error = ask(&link, &["SET", "k", "1"]).await.unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::Forbidden);
    assert!(error.to_string().contains("ACL SETUSER"), "{error}");
    ask(&open(&server.unix_uri()).await, &["SET", "k", "1"])
        .await
        .unwrap();
}

#[tokio::test]
async fn closing_ends_everything_and_says_so() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    let other = link.clone();
    ask(&link, &["PING"]).await.unwrap();
    link.close().await;
    assert_eq!(
        ask(&other, &["PING"]).await.unwrap_err().kind(),
        NodeErrorKind::Closed
    );
    assert_eq!(other.health().state, HealthState::Closed);
    within(A_WHILE, "the connection is gone", || {
        server.control().clients().is_empty()
    })
    .await;
    link.close().await;
    nothing_runs().await;
}

async fn nothing_runs() {
    let metrics = tokio::runtime::Handle::current().metrics();
    within(A_WHILE, "no task is left", || {
        metrics.num_alive_tasks() == 0
    })
    .await;
}

#[tokio::test]
async fn the_last_clone_and_a_dropped_opening_leave_nothing_behind() {
    let server = Server::start();
    let endpoint = Endpoint::parse(&server.uri()).unwrap();
    for polls in 0..20 {
        drop(cancelled_after(polls, Link::open(&endpoint, options())).await);
    }
    let link = open(&server.uri()).await;
    let con = Backend::Link(link.clone()).connection();
    drop(link);
    assert_eq!(
        server.control().clients().len(),
        1,
        "the connection keeps it open"
    );
    drop(con);
    within(A_WHILE, "the connection is gone", || {
        server.control().clients().is_empty()
    })
    .await;
    nothing_runs().await;
}

#[tokio::test]
async fn an_idle_link_sleeps() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    ask(&link, &["PING"]).await.unwrap();
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.worker_park_count(0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let wakes = metrics.worker_park_count(0) - before;
    // The test's own timer, and the turns of the timer wheel.
    assert!(wakes <= 5, "{wakes} wake-ups in two idle seconds");
}
