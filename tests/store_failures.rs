//! What the store says and does when something is wrong: with a value, with a server, on the way.

use std::time::{Duration, Instant};

use klg_lock::store::{Json, Store};
use klg_lock::testing::MemoryServer;
use klg_lock::{ClientConfig, Error, NodeErrorKind};
use klg_lock_tests::poll::within;
use klg_lock_tests::{Peer, Port, Server};

const A_WHILE: Duration = Duration::from_secs(10);

fn config(uri: &str) -> ClientConfig {
    ClientConfig::default().uri(uri).prefix("app_")
}

async fn store(uri: &str) -> Store {
    Store::connect(&config(uri)).await.unwrap()
}

/// The kind of a server's failure.
fn kind(error: &Error) -> NodeErrorKind {
    match error {
        Error::Redis { error, .. } => error.kind(),
        other => panic!("another error: {other}"),
    }
}

#[tokio::test]
async fn another_type_under_a_key_is_named_with_the_way_out() {
    for uri in ["memory://", &Server::start().uri()] {
        let store = store(uri).await;
        store.set("text", "abc").await.unwrap();
        store.rpush("list", "abc").await.unwrap();
        let wrong_type = |key: &str| {
            format!(
                "Redis client \"default\", key {key:?}: a value of another type is stored there (WRONGTYPE); use the commands of that type, or delete the key first"
            )
        };
        assert_eq!(
            store.llen("text").await.unwrap_err().to_string(),
            wrong_type("text")
        );
        assert_eq!(
            store.get::<String>("list").await.unwrap_err().to_string(),
            wrong_type("list")
        );
        assert_eq!(
            store.hlen("list").await.unwrap_err().to_string(),
            wrong_type("list")
        );
        assert_eq!(
            store.scard("list").await.unwrap_err().to_string(),
            wrong_type("list")
        );
        assert_eq!(
            store.zcard("list").await.unwrap_err().to_string(),
            wrong_type("list")
        );
        assert_eq!(
            store.incr("list").await.unwrap_err().to_string(),
            wrong_type("list")
        );
        assert_eq!(
            store
                .sinter::<String>(&["none", "list"])
                .await
                .unwrap_err()
                .to_string(),
            wrong_type("none, list")
        );
        assert_eq!(
            store.incr("text").await.unwrap_err().to_string(),
            "Redis client \"default\", key \"text\": what is stored there is not an integer of 64 bits; set it to one, or delete the key first"
        );
        assert_eq!(
            store
                .incr_by_float("text", 1.0)
                .await
                .unwrap_err()
                .to_string(),
            "Redis client \"default\", key \"text\": what is stored there is not a number; set it to one, or delete the key first"
        );
        store.set("max", i64::MAX).await.unwrap();
        assert_eq!(
            store.incr("max").await.unwrap_err().to_string(),
            "Redis client \"default\", key \"max\": the result is not an integer of 64 bits, so nothing was changed; count in smaller steps, or start anew"
        );
    }
}

#[tokio::test]
async fn a_value_that_does_not_decode_is_named_with_the_way_out() {
    for uri in ["memory://", &Server::start().uri()] {
        let store = store(uri).await;
        store.set("text", "abc").await.unwrap();
        store.set("bytes", [0xff_u8]).await.unwrap();
        assert_eq!(
            store.get::<u32>("text").await.unwrap_err().to_string(),
            "Redis client \"default\", key \"text\": what is stored there does not decode (invalid digit found in string); read it as the type it was written as, or delete the key"
        );
        let error = store.get::<String>("bytes").await.unwrap_err().to_string();
        assert!(error.contains("invalid utf-8"), "{error}");
        let error = store.get_json::<Vec<u8>>("text").await.unwrap_err();
        assert!(error.to_string().contains("key \"text\""), "{error}");
        assert!(
            std::error::Error::source(&error).is_some(),
            "the decoder's own error is kept"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is() {
    let server = MemoryServer::named("unsendable");
    let store = store(&server.uri()).await;
    let unsendable = [
        (
            store.set_ex("k", 1, Duration::ZERO),
            "a TTL of 0 is none; delete the key instead",
        ),
        (
            store.set_ex("k", 1, Duration::MAX),
            "the TTL is too long; let the key live for ever instead",
        ),
        (
            store.set("k", Json(std::collections::HashMap::from([((1, 2), 3)]))),
            "key must be a string",
        ),
        (
            store.mset(&[] as &[(&str, i64)]),
            "no key is given; give at least one",
        ),
    ];
    for (call, reason) in unsendable {
        let error = call.await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("nothing was sent: {reason}")),
            "{error}"
        );
    }
    let none: [&str; 0] = [];
    assert!(store.mget::<String>(&none).await.is_err());
    assert!(store.sadd_many("k", &none).await.is_err());
    assert!(store.hmget::<String>("k", &none).await.is_err());
    assert!(store.zadd("k", "nan", f64::NAN).await.is_err());
    let pipeline = store.pipeline().incr("n").set_ex("k", 1, Duration::ZERO);
    let error = pipeline.run::<(i64, ())>().await.unwrap_err().to_string();
    assert!(error.contains("key \"k\": nothing was sent"), "{error}");
    assert_eq!(server.count_all(), 0);
}

#[tokio::test]
async fn wrong_credentials_fail_the_start_and_are_not_shown() {
    let server = Server::with().password("right").start();
    let uri = format!("redis://:wr0ng-s3cret@{}", server.address());
    let error = Store::connect(&config(&uri)).await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::Unauthorized);
    let text = format!("{error} {error:?} {:?}", config(&uri));
    assert!(text.contains("client \"default\""), "{text}");
    assert!(text.contains(&server.address().to_string()), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let right = store(&server.uri()).await;
    right.set("k", 1).await.unwrap();
    assert!(!format!("{right:?}").contains("right"));
}

#[tokio::test]
async fn a_server_that_is_away_at_start_is_an_error_only_where_it_is_required() {
    let port = Port::lease();
    let uri = format!("redis://{}", port.address());
    let required = config(&uri).require_connection(true);
    let error = Store::connect(&required).await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::Unreachable);
    assert!(error.to_string().contains(&uri), "{error}");

    let patient = config(&uri).response_timeout(Duration::from_millis(100));
    let store = Store::connect(&patient).await.unwrap();
    let begun = Instant::now();
    let error = store.get::<String>("k").await.unwrap_err();
    assert!(begun.elapsed() < A_WHILE);
    assert!(error.to_string().contains(&uri), "{error}");
}

#[tokio::test]
async fn a_lazy_client_connects_at_its_first_use() {
    let server = Server::start();
    let clients = || {
        server
            .control()
            .clients()
            .into_iter()
            .filter(|c| c["name"].starts_with("klg-lock"))
            .count()
    };
    let store = Store::connect(&config(&server.uri()).lazy(true))
        .await
        .unwrap();
    assert_eq!(clients(), 0);
    store.set("k", 1).await.unwrap();
    assert_eq!(clients(), 1);
    drop(store);
    within(A_WHILE, "the connection is closed", || clients() == 0).await;
}

#[tokio::test]
async fn a_command_to_a_server_that_hangs_ends_at_its_deadline() {
    let server = Server::start();
    let deadline = Duration::from_millis(200);
    let store = Store::connect(&config(&server.uri()).response_timeout(deadline))
        .await
        .unwrap();
    store.set("k", 1).await.unwrap();
    server.pause();
    let begun = Instant::now();
    let error = store.get::<i64>("k").await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::TimedOut);
    assert!(begun.elapsed() >= deadline && begun.elapsed() < A_WHILE);
    server.resume();
    wait_for(&store, "k").await;
}

/// Reads until it works again.
async fn wait_for(store: &Store, key: &str) {
    let begun = Instant::now();
    while let Err(error) = store.get::<i64>(key).await {
        assert!(begun.elapsed() < A_WHILE, "it does not come back: {error}");
    }
}

#[tokio::test]
async fn the_store_goes_on_after_a_restart() {
    let server = Server::with().durable().start();
    let store = store(&server.uri()).await;
    store.set("k", 1).await.unwrap();
    server.restart();
    wait_for(&store, "k").await;
    assert_eq!(store.incr("k").await.unwrap(), 2);
    assert!(store.health().reconnects >= 1);
}

#[tokio::test]
async fn what_answers_but_is_no_redis_is_said_to_be_none() {
    let peer = Peer::greeting("HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = Store::connect(&config(&peer.uri())).await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::NotRedis);
}

#[tokio::test]
async fn a_user_with_rights_to_the_prefix_alone_can_do_everything() {
    let server = Server::with()
        .user("app", "on >pw ~app_* &app_* +@all -@dangerous +info")
        .start();
    let store = store(&server.uri_as("app", "pw")).await;
    store.set("k", 1).await.unwrap();
    store.hset("h", "f", 1).await.unwrap();
    assert_eq!(store.scan("*").all().await.unwrap().len(), 2);
    let mut news = store.subscribe(&["news"]).await.unwrap();
    // Redis allows the very pattern that the rights name, and no narrower one.
    let mut all = store.psubscribe(&["*"]).await.unwrap();
    store.publish("news", "x").await.unwrap();
    assert_eq!(news.next().await.unwrap().channel, "news");
    assert_eq!(all.next().await.unwrap().channel, "news");
    let other = Store::connect(&config(&server.uri_as("app", "pw")).prefix("other_"))
        .await
        .unwrap();
    let error = other.set("k", 1).await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::Forbidden);
    assert!(error.to_string().contains("ACL SETUSER"), "{error}");
    let error = other.subscribe(&["news"]).await.unwrap_err();
    assert_eq!(kind(&error), NodeErrorKind::Forbidden);
}

#[tokio::test]
async fn a_subscription_is_made_anew_after_a_restart() {
    let server = Server::start();
    for protocol in ["resp2", "resp3"] {
        let store = store(&format!("{}?protocol={protocol}", server.uri())).await;
        let mut news = store.subscribe(&["news"]).await.unwrap();
        let mut patterns = store.psubscribe(&["n*"]).await.unwrap();
        store.publish("news", 1).await.unwrap();
        assert_eq!(news.next().await.unwrap().decode::<i64>().unwrap(), 1);
        assert_eq!(patterns.next().await.unwrap().decode::<i64>().unwrap(), 1);
        server.restart();
        within(A_WHILE, "both are back", || {
            news.reconnects() == 1 && patterns.reconnects() == 1
        })
        .await;
        assert_eq!(store_publishes(&store).await, 2);
        assert_eq!(news.next().await.unwrap().decode::<i64>().unwrap(), 2);
        assert_eq!(patterns.next().await.unwrap().decode::<i64>().unwrap(), 2);
    }
}

/// Publishes once the store's own connection is back as well.
async fn store_publishes(store: &Store) -> u64 {
    let begun = Instant::now();
    loop {
        match store.publish("news", 2).await {
            Ok(reached) => return reached,
            Err(error) => assert!(begun.elapsed() < A_WHILE, "it does not come back: {error}"),
        }
    }
}

#[tokio::test]
async fn a_dropped_subscription_leaves_no_connection() {
    let server = Server::start();
    let store = store(&server.uri()).await;
    let clients = || {
        server
            .control()
            .clients()
            .into_iter()
            .filter(|c| c["name"].starts_with("klg-lock"))
            .count()
    };
    let news = store.subscribe(&["news"]).await.unwrap();
    assert_eq!(clients(), 2);
    drop(news);
    within(A_WHILE, "the connection is closed", || clients() == 1).await;
}

#[tokio::test]
async fn calls_borrow_nothing_and_run_at_once_from_many_tasks() {
    for uri in ["memory://", &Server::start().uri()] {
        let store = store(uri).await;
        let (mut calls, mut pipelines) = (Vec::new(), Vec::new());
        for task in 0..64 {
            let key = format!("n{}", task % 4);
            calls.push(tokio::spawn(store.incr(&key)));
            let pipeline = store.pipeline().incr(&key);
            pipelines.push(tokio::spawn(pipeline.run::<Vec<i64>>()));
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        for pipeline in pipelines {
            pipeline.await.unwrap().unwrap();
        }
        let values: Vec<Option<i64>> = store.mget(&["n0", "n1", "n2", "n3"]).await.unwrap();
        assert_eq!(values, [Some(32); 4]);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_does_no_harm() {
    let server = Server::start();
    let store = store(&server.uri()).await;
    for n in 0..100 {
        let call = store.set("k", n);
        drop(klg_lock_tests::poll::cancelled_after(n % 4, call).await);
    }
    store.set("k", 7).await.unwrap();
    assert_eq!(store.get::<i64>("k").await.unwrap(), Some(7));
}
