//! The way to a server, and what answers in its place.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use klg_lock_tests::poll::wait_until;
use klg_lock_tests::{Peer, Proxy, Server, Way};
use redis::Value;

use super::answers;

#[test]
fn a_proxy_passes_delays_holds_swallows_cuts_and_refuses() {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let mut control = server.control();
    assert!(answers(proxy.address()));

    proxy.delay(Way::Replies, Duration::from_millis(50));
    let mut wire = klg_lock_tests::Wire::tcp(proxy.address());
    let begun = Instant::now();
    wire.ask(&["PING"]);
    assert!(begun.elapsed() >= Duration::from_millis(50));
    proxy.pass();

    // Held replies: the server has done what was asked, and nobody knows.
    proxy.hold(Way::Replies);
    wire.send(&["SET", "replies", "held"]);
    wait_until("the server has done it", || {
        control.get("replies").is_some()
    });
    assert!(!answers(proxy.address()));
    proxy.pass();
    assert_eq!(wire.receive(), Value::Okay);

    // Held requests arrive late, after those of a newer connection.
    proxy.hold_present(Way::Requests);
    wire.send(&["SET", "order", "old"]);
    let mut newer = klg_lock_tests::Wire::tcp(proxy.address());
    newer.ask(&["SET", "order", "new"]);
    assert_eq!(control.get("order").as_deref(), Some("new"));
    proxy.pass();
    assert_eq!(wire.receive(), Value::Okay);
    assert_eq!(control.get("order").as_deref(), Some("old"));

    proxy.swallow(Way::Requests);
    wire.send(&["SET", "requests", "lost"]);
    assert!(!answers(proxy.address()));
    proxy.pass();
    assert_eq!(wire.ask(&["PING"]), Value::SimpleString("PONG".into()));
    assert_eq!(control.get("requests"), None);

    assert!(proxy.connections() >= 2);
    proxy.cut();
    assert_eq!(wire.line(), None);
    assert!(answers(proxy.address()));

    proxy.refuse();
    assert!(TcpStream::connect(proxy.address()).is_err());
    proxy.accept();
    assert!(answers(proxy.address()));
    server.kill();
    assert!(!answers(proxy.address()));
}

#[test]
fn peers_are_silent_rude_or_of_another_trade() {
    let silent = Peer::silent();
    assert!(!answers(silent.address()));
    assert_eq!(silent.accepted(), 1);
    let closing = Peer::closing();
    assert_eq!(klg_lock_tests::Wire::tcp(closing.address()).line(), None);
    let greeting = Peer::greeting("SSH-2.0-Other\r\n");
    let line = klg_lock_tests::Wire::tcp(greeting.address()).line();
    assert_eq!(line.as_deref(), Some("SSH-2.0-Other"));
    let answering = Peer::answering("HTTP/1.1 400 Bad Request\r\n");
    let mut wire = klg_lock_tests::Wire::tcp(answering.address());
    wire.send_bytes(b"PING\r\n");
    assert_eq!(wire.line().as_deref(), Some("HTTP/1.1 400 Bad Request"));
    assert!(answering.uri().starts_with("redis://127.0.0.1:"));
}
