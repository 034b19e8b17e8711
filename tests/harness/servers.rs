//! Servers: started, paused, killed, refused and restarted.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use klg_lock_tests::poll::wait_until;
use klg_lock_tests::{Port, Process, Server};
use redis::Value;

use super::{answers, is_error};

#[test]
fn a_server_answers_by_port_and_socket_and_leaves_nothing_behind() {
    let server = Server::start();
    let (address, socket, pid) = (server.address(), server.socket(), server.pid());
    assert!(answers(address));
    assert!(socket.exists());
    assert_eq!(server.control().ask::<String>(&["PING"]), "PONG");
    assert!(server.control().keys().is_empty());

    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!socket.parent().unwrap().exists());
    let gone = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    assert!(rustix::process::test_kill_process(gone).is_err());
}

#[test]
fn ports_are_leased_once_and_never_the_usual_one() {
    let ports: Vec<Port> = (0..50).map(|_| Port::lease()).collect();
    let numbers: BTreeSet<u16> = ports.iter().map(Port::number).collect();
    assert_eq!(numbers.len(), ports.len());
    assert!(!numbers.contains(&6379));
}

#[test]
fn a_missing_server_program_fails_with_the_line_that_installs_it() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("REDIS_SERVER", "no-such-redis-server").args([
        "--exact",
        "servers::a_paused_server_takes_connections_and_is_silent",
    ]);
    let (status, lines) = Process::start_in(&mut command).wait();
    assert!(!status.success());
    let text = lines.join("\n");
    assert!(
        text.contains("need the program redis-server, which is not installed; this installs it: "),
        "{text}"
    );
}

#[test]
fn a_paused_server_takes_connections_and_is_silent() {
    let server = Server::start();
    let mut wire = server.wire();
    assert_eq!(wire.ask(&["PING"]), Value::SimpleString("PONG".into()));
    server.pause();
    assert!(TcpStream::connect(server.address()).is_ok());
    assert!(!answers(server.address()));
    wire.send(&["ECHO", "still there"]);
    server.resume();
    assert_eq!(wire.receive(), Value::BulkString(b"still there".to_vec()));
}

#[test]
fn a_restart_forgets_on_the_same_port_unless_the_server_is_durable() {
    let forgetful = Server::start();
    let durable = Server::with().durable().start();
    for (server, remembers) in [(&forgetful, false), (&durable, true)] {
        let (port, pid) = (server.port(), server.pid());
        server.control().ask::<()>(&["SET", "k", "v"]);
        server.kill();
        assert!(!answers(server.address()));
        server.restart();
        assert!(answers(server.address()));
        assert_eq!((server.port(), server.pid() == pid), (port, false));
        assert_eq!(server.control().get("k").is_some(), remembers);
    }
}

#[test]
fn a_paused_server_can_be_killed_and_restarted() {
    let server = Server::start();
    server.pause();
    server.restart();
    assert!(answers(server.address()));
}

#[test]
fn a_loading_server_refuses_commands() {
    let server = Server::start();
    server.control().ask::<()>(&["SET", "k", "v"]);
    server.restart_into_loading(Duration::from_millis(500));
    let reply = server.wire().ask(&["GET", "k"]);
    assert!(is_error(&reply, "LOADING"), "{reply:?}");
    wait_until("it is loaded", || {
        server.wire().ask(&["GET", "k"]) == Value::BulkString(b"v".to_vec())
    });
}

#[test]
fn passwords_and_users_hold_for_others_and_not_for_the_harness() {
    let server = Server::with()
        .password("secret")
        .user("app", "on >pw ~app:* -@all +get +ping")
        .start();
    let mut wire = server.wire();
    assert!(is_error(&wire.ask(&["PING"]), "NOAUTH"));
    assert!(is_error(&wire.ask(&["AUTH", "wrong"]), "WRONGPASS"));
    assert_eq!(wire.ask(&["AUTH", "secret"]), Value::Okay);
    assert_eq!(wire.ask(&["AUTH", "app", "pw"]), Value::Okay);
    assert_eq!(wire.ask(&["GET", "app:k"]), Value::Nil);
    assert!(is_error(&wire.ask(&["GET", "other"]), "NOPERM"));
    assert!(is_error(&wire.ask(&["SET", "app:k", "v"]), "NOPERM"));

    server
        .control()
        .ask::<()>(&["CONFIG", "SET", "requirepass", "changed"]);
    server.control().ask::<()>(&["SET", "k", "v"]);
    assert!(server.uri().contains(":secret@"));
    assert!(server.uri_as("app", "pw").contains("app:pw@"));
}

#[test]
fn a_full_server_refuses_writes() {
    let server = Server::with().max_memory(1, "noeviction").start();
    let reply = server.wire().ask(&["SET", "k", "v"]);
    assert!(is_error(&reply, "OOM"), "{reply:?}");
}

#[test]
fn a_replica_follows_and_refuses_writes() {
    let master = Server::with().password("secret").start();
    let replica = Server::with().replica_of(&master).start();
    master.control().ask::<()>(&["SET", "k", "v"]);
    wait_until("the write arrives", || replica.control().get("k").is_some());
    let reply = replica.wire().ask(&["SET", "k", "w"]);
    assert!(is_error(&reply, "READONLY"), "{reply:?}");
}

#[test]
fn a_busy_server_answers_late() {
    let server = Server::start();
    let mut wire = server.wire();
    let mut busy = server.control();
    busy.ask::<()>(&["PING"]);
    let begun = Instant::now();
    busy.keep_busy(Duration::from_millis(300));
    // The two connections may be served in either order once; the second `PING` comes after.
    wait_until("the server is asleep or was", || {
        wire.ask(&["PING"]);
        begun.elapsed() >= Duration::from_millis(300)
    });
    let slept = server.control().calls_of("debug");
    assert_eq!(slept, 1);
}
