//! Servers that cannot be used: each says what is wrong and what to do, and nothing hangs.

use std::time::{Duration, Instant};

use klg_lock::{Error, LockError, NodeErrorKind, Redlock};
use klg_lock_tests::engine::{are_clean, lock_keys};
use klg_lock_tests::{Peer, Port, Server};

const SECOND: Duration = Duration::from_secs(1);

/// What comes of locking on one server, at the start or at the first lock, and after what time.
async fn locking_on(uri: String) -> (String, Option<NodeErrorKind>, Duration) {
    let begun = Instant::now();
    let engine = match Redlock::builder().nodes([uri]).mutex().connect().await {
        Ok(engine) => engine,
        Err(error) => {
            let kind = match &error {
                Error::Redis { error, .. } => Some(error.kind()),
                Error::Lock(LockError::Unavailable { votes, .. }) => {
                    votes.first().map(|vote| vote.error.kind())
                }
                _ => None,
            };
            return (error.to_string(), kind, begun.elapsed());
        }
    };
    let error = engine.lock("key1").acquire().await.unwrap_err();
    let LockError::Unavailable { votes, .. } = &error else {
        panic!("{error}");
    };
    let kind = votes.first().map(|vote| vote.error.kind());
    (error.to_string(), kind, begun.elapsed())
}

/// Asserts the kind of error, that it comes soon, and that its text has all of `words`.
async fn refuses(uri: String, kind: NodeErrorKind, words: &[&str]) {
    let (text, seen, took) = locking_on(uri).await;
    assert_eq!(seen, Some(kind), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    assert!(!text.contains("secret"), "it tells the password: {text}");
    assert!(took < 5 * SECOND, "{took:?}: {text}");
}

#[tokio::test]
async fn nobody_listens() {
    let port = Port::lease();
    let address = port.address().to_string();
    let uri = format!("redis://:secret@{address}");
    refuses(uri, NodeErrorKind::Unreachable, &[&address]).await;
}

#[tokio::test]
async fn the_host_has_no_address() {
    let uri = "redis://:secret@no-such-host.invalid:1234".to_owned();
    refuses(uri, NodeErrorKind::Unreachable, &["no-such-host.invalid"]).await;
}

#[tokio::test]
async fn the_unix_socket_is_not_there() {
    let uri = "redis+unix:///no/such/redis.sock".to_owned();
    refuses(uri, NodeErrorKind::Unreachable, &["/no/such/redis.sock"]).await;
}

#[tokio::test]
async fn the_password_is_wrong() {
    let server = Server::with().password("right").start();
    let address = server.address().to_string();
    let uri = format!("redis://:secret@{address}");
    refuses(uri, NodeErrorKind::Unauthorized, &[&address, "password"]).await;
}

#[tokio::test]
async fn the_password_is_missing() {
    let server = Server::with().password("right").start();
    let address = server.address().to_string();
    let uri = format!("redis://{address}");
    refuses(uri, NodeErrorKind::Unauthorized, &[&address, "password"]).await;
}

#[tokio::test]
async fn the_user_is_unknown() {
    let server = Server::start();
    let uri = server.uri_as("nobody", "secret");
    refuses(uri, NodeErrorKind::Unauthorized, &["user"]).await;
}

#[tokio::test]
async fn the_user_may_not_touch_the_keys() {
    let server = Server::with()
        .user("app", "on >secret ~other_* &* +@all")
        .start();
    let uri = server.uri_as("app", "secret");
    refuses(uri, NodeErrorKind::Forbidden, &["NOPERM"]).await;
    assert!(server.control().keys().is_empty());
}

#[tokio::test]
async fn the_user_may_not_run_scripts() {
    let rights = "on >secret ~* &* +@all -@scripting";
    let server = Server::with().user("app", rights).start();
    let uri = server.uri_as("app", "secret");
    refuses(uri, NodeErrorKind::Forbidden, &["eval"]).await;
}

#[tokio::test]
async fn the_server_is_a_read_only_replica() {
    let master = Server::start();
    let replica = Server::with().replica_of(&master).start();
    let address = replica.address().to_string();
    refuses(
        replica.uri(),
        NodeErrorKind::ReadOnly,
        &[&address, "replica"],
    )
    .await;
}

#[tokio::test]
async fn the_server_is_loading_and_then_is_not() {
    let server = Server::start();
    server.restart_into_loading(3 * SECOND);
    refuses(server.uri(), NodeErrorKind::Loading, &["loading"]).await;
    let begun = Instant::now();
    let engine = loop {
        // The same engine would do; the start must work as well, as soon as the server does.
        let engine = Redlock::builder()
            .nodes([server.uri()])
            .mutex()
            .connect()
            .await;
        if let Ok(engine) = engine
            && engine.lock("key1").acquire().await.is_ok()
        {
            break engine;
        }
        assert!(begun.elapsed() < 20 * SECOND, "never usable");
        tokio::time::sleep(SECOND / 20).await;
    };
    engine.using("key2", async |_| ()).await.unwrap();
}

#[tokio::test]
async fn an_engine_lives_through_the_loading_of_its_server() {
    let servers = [Server::start()];
    let engine = Redlock::builder().nodes([servers[0].uri()]).mutex();
    let mutex = engine.connect().await.unwrap();
    mutex
        .lock("key1")
        .acquire()
        .await
        .unwrap()
        .release()
        .await
        .unwrap();
    servers[0].restart_into_loading(SECOND);
    let begun = Instant::now();
    let lock = loop {
        match mutex.lock("key1").acquire().await {
            Ok(lock) => break lock,
            Err(LockError::Unavailable { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(begun.elapsed() < 20 * SECOND, "never usable again");
        tokio::time::sleep(SECOND / 20).await;
    };
    lock.release().await.unwrap();
    assert!(are_clean(&servers));
}

#[tokio::test]
async fn the_servers_memory_is_full() {
    let server = Server::with().max_memory(1, "noeviction").start();
    let address = server.address().to_string();
    refuses(
        server.uri(),
        NodeErrorKind::OutOfMemory,
        &[&address, "memory"],
    )
    .await;
    assert!(lock_keys(&server).is_empty());
}

#[tokio::test]
async fn it_is_a_web_server() {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let peer = Peer::answering(answer);
    let address = peer.address().to_string();
    refuses(peer.uri(), NodeErrorKind::NotRedis, &[&address, "Redis"]).await;
}

#[tokio::test]
async fn it_is_an_ssh_server() {
    let peer = Peer::greeting("SSH-2.0-OpenSSH_9.9\r\n");
    let address = peer.address().to_string();
    refuses(peer.uri(), NodeErrorKind::NotRedis, &[&address, "Redis"]).await;
}

#[tokio::test]
async fn it_takes_everything_and_says_nothing() {
    let peer = Peer::silent();
    let address = peer.address().to_string();
    refuses(peer.uri(), NodeErrorKind::TimedOut, &[&address]).await;
}

#[tokio::test]
async fn it_hangs_up_at_once() {
    let peer = Peer::closing();
    let address = peer.address().to_string();
    refuses(peer.uri(), NodeErrorKind::Unreachable, &[&address]).await;
    assert!(peer.accepted() < 50, "{} connections", peer.accepted());
}

#[tokio::test]
async fn the_database_does_not_exist() {
    let server = Server::start();
    let (text, ..) = locking_on(format!("{}/99", server.uri())).await;
    assert!(text.contains("99") || text.contains("DB index"), "{text}");
}
