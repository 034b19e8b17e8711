//! Everything that can happen to a link; the dead ends of the crate's own manager among it.

use klg_lock_tests::poll::within;
use klg_lock_tests::{Proxy, Way};

use super::super::dial::names;
use super::*;

#[tokio::test]
async fn commands_and_pipelines_are_answered() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    assert_eq!(ask(&link, &["SET", "k", "1"]).await.unwrap(), Value::Okay);
    let mut pipeline = redis::pipe();
    pipeline.cmd("INCR").arg("k").cmd("LPUSH").arg("k").arg("x");
    let values = link
        .pipeline(&pipeline, Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(values[0], Value::Int(2));
    assert!(matches!(values[1], Value::ServerError(_)));
    let error = ask(&link, &["LPUSH", "k", "x"]).await.unwrap_err();
    assert_eq!(refusal_code(&error), Some("WRONGTYPE"));
    let number: i64 = redis::cmd("GET")
        .arg("k")
        .query_async(&mut super::Backend::Link(link.clone()).connection())
        .await
        .unwrap();
    assert_eq!(number, 2);
    assert_eq!(link.health().state, HealthState::Up);
}

// The harness blocks its thread; the link's own tasks must go on meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_command_after_a_restart_succeeds_at_once() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    for _ in 0..3 {
        server.restart();
        let start = Instant::now();
        ask(&link, &["PING"]).await.unwrap();
        assert!(
            start.elapsed() < Duration::from_millis(200),
            "{:?}",
            start.elapsed()
        );
    }
    assert_eq!(link.health().reconnects, 3);
}

#[tokio::test]
async fn a_killed_client_and_a_password_that_was_wrong_for_a_while_are_survived() {
    let server = Server::with().password("right").start();
    for query in ["", "?protocol=resp2"] {
        let link = open(&format!("{}{query}", server.uri())).await;
        let mut control = server.control();
        for _ in 0..3 {
            control.kill_clients();
            recovers(&link, &["PING"]).await;
        }
        control.ask::<()>(&["CONFIG", "SET", "requirepass", "wrong"]);
        control.kill_clients();
        let error = loop {
            if let Err(error) = ask(&link, &["PING"]).await
                && error.kind() == NodeErrorKind::Unauthorized
            {
                break error;
            }
        };
        assert!(error.to_string().contains("WRONGPASS"), "{error}");
        control.ask::<()>(&["CONFIG", "SET", "requirepass", "right"]);
        recovers(&link, &["PING"]).await;
    }
}

#[tokio::test]
async fn a_peer_that_takes_bytes_and_never_answers_is_replaced() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let link = open(&proxy.uri()).await;
    ask(&link, &["PING"]).await.unwrap();
    // Only the present connection hangs: a new one is answered.
    proxy.hold_present(Way::Replies);
    let begun = Instant::now();
    assert_eq!(
        ask(&link, &["PING"]).await.unwrap_err().kind(),
        NodeErrorKind::TimedOut
    );
    let waited = begun.elapsed();
    assert!(
        waited >= options().deadline && waited < options().deadline * 2,
        "{waited:?}"
    );
    assert!(recovers(&link, &["PING"]).await < Duration::from_secs(2));
    assert_eq!(link.health().reconnects, 1);
}

#[tokio::test]
async fn a_slow_command_does_not_cost_the_connection() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    let begun = Instant::now();
    let short = Duration::from_millis(50);
    let error = link
        .query_within(&cmd(&["BLPOP", "queue", "0.2"]), short)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::TimedOut);
    assert!(begun.elapsed() < short * 3, "{:?}", begun.elapsed());
    ask(&link, &["PING"]).await.unwrap();
    assert_eq!(link.health().reconnects, 0);
    // The crate's own connection gives up after half a second.
    let long = Duration::from_secs(5);
    let nothing = link
        .query_within(&cmd(&["BLPOP", "queue", "0.7"]), long)
        .await;
    assert_eq!(nothing.unwrap(), Value::Nil);
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left() {
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::to(old.address());
    let link = open(&proxy.uri()).await;
    let id = ask(&link, &["CLIENT", "ID"]).await.unwrap();
    let port = new.port().to_string();
    old.control().ask::<()>(&["REPLICAOF", "127.0.0.1", &port]);
    let error = ask(&link, &["SET", "k", "1"]).await.unwrap_err();
    assert_eq!(error.kind(), NodeErrorKind::ReadOnly, "{error}");
    within(A_WHILE, "the connection is left", || {
        link.health().reconnects > 0
    })
    .await;
    recovers(&link, &["PING"]).await;
    assert_ne!(ask(&link, &["CLIENT", "ID"]).await.unwrap(), id);
    old.control().ask::<()>(&["REPLICAOF", "NO", "ONE"]);
    recovers(&link, &["SET", "k", "1"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_loading_server_is_waited_for() {
    let server = Server::start();
    let link = open(&server.uri()).await;
    server.restart_into_loading(Duration::from_millis(1500));
    let error = loop {
        if let Err(error) = ask(&link, &["PING"]).await
            && error.kind() == NodeErrorKind::Loading
        {
            break error;
        }
    };
    assert!(error.to_string().contains("LOADING"), "{error}");
    recovers(&link, &["SET", "k", "1"]).await;
}

#[tokio::test]
async fn an_idle_connection_that_a_middlebox_forgot_is_replaced_before_it_is_used() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let pinged = LinkOptions {
        ping_interval: Duration::from_millis(50),
        ..options()
    };
    let link = Link::open(&Endpoint::parse(&proxy.uri()).unwrap(), pinged)
        .await
        .unwrap();
    within(A_WHILE, "a round trip is measured", || {
        link.health().round_trip.is_some()
    })
    .await;
    // Neither side hears of it.
    proxy.hold_present(Way::Requests);
    within(A_WHILE, "the loss is noticed", || {
        link.health().reconnects == 1
    })
    .await;
    ask(&link, &["PING"]).await.unwrap();
}

#[tokio::test]
async fn the_address_is_looked_up_each_time() {
    // A name that changes its meaning: the socket's path leads elsewhere after the first time.
    let (old, new) = (Server::start(), Server::start());
    let dir = std::env::temp_dir().join(format!("klg-name-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let name = dir.join("redis.sock");
    std::os::unix::fs::symlink(old.socket(), &name).unwrap();
    let link = open(&format!("redis+unix://{}", name.display())).await;
    old.control().ask::<()>(&["SET", "who", "old"]);
    new.control().ask::<()>(&["SET", "who", "new"]);
    assert_eq!(
        ask(&link, &["GET", "who"]).await.unwrap(),
        Value::BulkString(b"old".into())
    );
    std::fs::remove_file(&name).unwrap();
    std::os::unix::fs::symlink(new.socket(), &name).unwrap();
    old.control().kill_clients();
    recovers(&link, &["PING"]).await;
    assert_eq!(
        ask(&link, &["GET", "who"]).await.unwrap(),
        Value::BulkString(b"new".into())
    );
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test]
async fn tracking_is_set_up_again_before_the_first_command() {
    let server = Server::start();
    let told = Arc::new(Told::default());
    let tracking = LinkOptions {
        set_up: vec![cmd(&[
            "CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "c:", "NOLOOP",
        ])],
        listener: Some(told.clone()),
        ..options()
    };
    let link = Link::open(&Endpoint::parse(&server.uri()).unwrap(), tracking)
        .await
        .unwrap();
    let mut control = server.control();
    for round in 0..3 {
        ask(&link, &["PING"]).await.unwrap();
        assert_eq!(told.take(), ["connected resp3=true [ok]"]);
        control.ask::<()>(&["SET", "other", &round.to_string()]);
        control.ask::<()>(&["SET", "c:1", &round.to_string()]);
        let mut pushed = Vec::new();
        within(A_WHILE, "a push arrives", || {
            pushed = told.take();
            !pushed.is_empty()
        })
        .await;
        assert!(
            pushed[0].starts_with("Invalidate") && pushed[0].contains("c:1"),
            "{pushed:?}"
        );
        assert_eq!(pushed.len(), 1);
        control.kill_clients();
        let mut lost = Vec::new();
        within(A_WHILE, "the loss is told", || {
            lost = told.take();
            !lost.is_empty()
        })
        .await;
        assert_eq!(lost[0], "disconnected");
        if lost.len() == 1 {
            within(A_WHILE, "it is connected", || {
                lost.extend(told.take());
                lost.len() > 1
            })
            .await;
        }
        assert_eq!(lost, ["disconnected", "connected resp3=true [ok]"]);
        told.say("connected resp3=true [ok]");
    }
    told.take();
    drop(link);
    within(A_WHILE, "the end is told", || {
        told.take() == ["disconnected"]
    })
    .await;
}

#[tokio::test]
async fn a_refused_set_up_is_told_and_the_connection_is_used() {
    let server = Server::with()
        .user("app", "on >pw ~* &* +@all -client|tracking")
        .start();
    let told = Arc::new(Told::default());
    let tracking = LinkOptions {
        set_up: vec![cmd(&["CLIENT", "TRACKING", "ON"])],
        listener: Some(told.clone()),
        ..options()
    };
    let link = Link::open(
        &Endpoint::parse(&server.uri_as("app", "pw")).unwrap(),
        tracking,
    )
    .await
    .unwrap();
    ask(&link, &["PING"]).await.unwrap();
    let said = told.take();
    assert!(
        said.len() == 1 && said[0].contains("no permissions"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_survive_many_cuts_with_their_own_answers() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let link = open(&proxy.uri()).await;
    let tasks = (0..16).map(|task| {
        let link = link.clone();
        tokio::spawn(async move {
            let mut answers = 0;
            for round in 0..200 {
                let text = format!("{task}/{round}");
                match ask(&link, &["ECHO", &text]).await {
                    Ok(value) => {
                        assert_eq!(value, Value::BulkString(text.into()));
                        answers += 1;
                    }
                    Err(error) => assert_eq!(error.kind(), NodeErrorKind::Unreachable, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answers
        })
    });
    let tasks = Vec::from_iter(tasks);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.cut();
    }
    for task in tasks {
        // Each cut fails at most what was under way.
        assert!(task.await.unwrap() >= 150);
    }
}

/// The name leads elsewhere from now on, as after a fail-over that is told by DNS.
#[tokio::test]
async fn a_host_name_that_moves_is_followed() {
    let (old, new) = (Server::start(), Server::start());
    let host = "moving.invalid";
    names::set(host, old.address());
    let link = open(&format!("redis://{host}:1")).await;
    ask(&link, &["SET", "k", "old"]).await.unwrap();
    names::set(host, new.address());
    // As long as the connection stands, nobody asks for the name.
    ask(&link, &["GET", "k"]).await.unwrap();
    assert_eq!(new.control().clients().len(), 0);
    old.kill();
    recovers(&link, &["SET", "k", "new"]).await;
    assert_eq!(new.control().get("k").as_deref(), Some("new"));
}
