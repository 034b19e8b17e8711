//! The harness itself: a fault that does nothing would make every test that relies on it hollow.

use std::collections::BTreeSet;
use std::future::{Future, pending, poll_fn};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use klg_lock_tests::poll::{cancelled_after, wait_until, within};
use klg_lock_tests::{Authority, Cluster, Peer, Port, Process, Proxy, Sentinel, Server, Way};
use redis::Value;
use rustix::process::Signal;

const A_MOMENT: Duration = Duration::from_millis(100);

/// Whether `PING` is answered within a moment on a new connection to `address`.
fn answers(address: std::net::SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    stream.set_read_timeout(Some(A_MOMENT)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).is_ok() && &reply == b"+PONG\r\n"
}

fn is_error(value: &Value, code: &str) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == code)
}

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
    command
        .env("REDIS_SERVER", "no-such-redis-server")
        .args(["--exact", "a_paused_server_takes_connections_and_is_silent"]);
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
fn clients_are_listed_and_killed_but_not_the_harness() {
    let server = Server::start();
    let mut control = server.control();
    assert_eq!(control.clients().len(), 0);
    let mut wire = server.wire();
    wire.ask(&["CLIENT", "SETNAME", "victim"]);
    let names: Vec<_> = control
        .clients()
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert_eq!(names, ["victim"]);
    assert_eq!(control.kill_clients(), 1);
    assert_eq!(wire.line(), None);
    assert_eq!(control.clients().len(), 0);
}

#[test]
fn calls_are_counted_and_commands_recorded_those_of_scripts_too() {
    let server = Server::start();
    let mut wire = server.wire();
    let script = "return redis.call('SET', KEYS[1], ARGV[1])";
    let sha: String = server.control().ask(&["SCRIPT", "LOAD", script]);
    server.control().forget_calls();
    let monitor = server.monitor();
    wire.ask(&["EVALSHA", &sha, "1", "k", "v"]);
    wire.ask(&["get", "k"]);
    assert_eq!(
        monitor.stop(),
        [
            format!(r#""EVALSHA" "{sha}" "1" "k" "v""#),
            r#"lua "SET" "k" "v""#.to_owned(),
            r#""get" "k""#.to_owned(),
        ]
    );
    let mut control = server.control();
    assert_eq!(control.calls_of("evalsha"), 1);
    assert_eq!(control.calls_of("set"), 1);
    assert_eq!(control.calls_of("get"), 1);
    control.flush_scripts();
    assert!(is_error(
        &wire.ask(&["EVALSHA", &sha, "1", "k", "v"]),
        "NOSCRIPT"
    ));
}

#[test]
fn data_is_seen_and_changed_from_outside() {
    let server = Server::start();
    let mut control = server.control();
    assert!(control.set_if_absent("k", "v", Duration::from_secs(5)));
    assert!(!control.set_if_absent("k", "w", Duration::from_secs(5)));
    assert_eq!(control.get("k").as_deref(), Some("v"));
    let left = control.time_to_live("k").unwrap();
    assert!(left > Duration::from_secs(4) && left <= Duration::from_secs(5));
    assert_eq!(control.time_to_live("absent"), None);
    control.ask::<()>(&["SET", "other", "v"]);
    assert_eq!(control.keys_like("k*"), BTreeSet::from(["k".to_owned()]));
    assert!(control.delete("k"));
    assert!(!control.delete("k"));
    control.flush_all();
    assert!(control.keys().is_empty());
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

#[test]
fn a_cluster_is_whole_and_its_slots_move() {
    let cluster = Cluster::start();
    let slot = cluster.slot("k");
    let owner = cluster.owner(slot);
    let to = (owner + 1) % 3;
    let set = ["SET", "k", "v"];
    assert_eq!(cluster.masters()[owner].wire().ask(&set), Value::Okay);
    assert!(is_error(&cluster.masters()[to].wire().ask(&set), "MOVED"));
    assert_eq!(cluster.keys(), BTreeSet::from(["k".to_owned()]));

    cluster.begin_move(slot, to);
    cluster.move_keys(slot, to);
    let asked = cluster.masters()[owner].wire().ask(&["GET", "k"]);
    assert!(is_error(&asked, "ASK"), "{asked:?}");
    cluster.end_move(slot, to);
    assert_eq!(cluster.owner(slot), to);
    let read = cluster.masters()[to].wire().ask(&["GET", "k"]);
    assert_eq!(read, Value::BulkString(b"v".to_vec()));
    cluster.move_slot(slot, owner);
    assert_eq!(cluster.owner(slot), owner);
    assert!(cluster.uri().starts_with("redis+cluster://127.0.0.1:"));
}

#[test]
fn a_replica_takes_over_from_a_master_of_a_cluster() {
    let cluster = Cluster::start();
    let replica = cluster.add_replica(0);
    let key = (0..)
        .map(|number| format!("k{number}"))
        .find(|key| cluster.owner(cluster.slot(key)) == 0)
        .unwrap();
    let mut control = cluster.masters()[0].control();
    control.ask::<()>(&["SET", &key, "v"]);
    assert_eq!(control.ask::<u32>(&["WAIT", "1", "0"]), 1);
    cluster.fail_over(0, &replica);
    assert_eq!(replica.control().get(&key).as_deref(), Some("v"));
}

#[test]
fn a_cluster_under_tls_is_whole_and_its_slots_move() {
    let cluster = Cluster::start_tls(&Authority::new());
    let slot = cluster.slot("k");
    let to = (cluster.owner(slot) + 1) % 3;
    cluster.move_slot(slot, to);
    assert_eq!(cluster.owner(slot), to);
    assert!(cluster.uri().starts_with("rediss+cluster://127.0.0.1:"));
}

#[test]
fn a_sentinel_set_makes_the_replica_the_master() {
    let set = Sentinel::start();
    let old = set.master().port();
    assert_ne!(set.replica().port(), old);
    assert_eq!(set.sentinels().len(), 3);
    assert!(set.uri().ends_with("/mymaster"));
    set.fail_over();
    assert_ne!(set.master().port(), old);
    set.master().control().ask::<()>(&["SET", "k", "v"]);
}

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

#[test]
fn a_process_is_heard_spoken_to_stopped_and_killed() {
    let mut process = Process::start("sh", &["-c", "read word; echo heard $word; exit 3"]);
    process.say("this");
    assert_eq!(process.line(), "heard this");
    let (status, rest) = process.wait();
    assert_eq!((status.code(), rest.len()), (Some(3), 0));

    let mut ticking = Process::start("sh", &["-c", "while :; do echo tick; sleep 0.01; done"]);
    assert_eq!(ticking.line(), "tick");
    ticking.signal(Signal::STOP);
    ticking.signal(Signal::CONT);
    assert_eq!(ticking.line(), "tick");
    ticking.kill();
}

#[tokio::test]
async fn a_future_is_dropped_after_the_given_number_of_polls() {
    struct Alive(Arc<AtomicBool>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.store(false, Ordering::SeqCst);
        }
    }
    async fn yields(times: usize) {
        for _ in 0..times {
            let mut ready = false;
            poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut ready, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }
    for polls in 0..4 {
        let alive = Arc::new(AtomicBool::new(true));
        let guard = Alive(Arc::clone(&alive));
        let done = cancelled_after(polls, async move {
            yields(3).await;
            drop(guard);
        });
        assert!(done.await.is_none());
        assert!(!alive.load(Ordering::SeqCst));
    }
    assert_eq!(cancelled_after(4, yields(3)).await, Some(()));
    assert_eq!(cancelled_after(1, pending::<()>()).await, None);
    fn assert_send(_: impl Future + Send) {}
    assert_send(cancelled_after(1, yields(1)));
}

#[tokio::test]
async fn a_condition_is_waited_for() {
    let begun = Instant::now();
    let took = within(Duration::from_secs(5), "20 ms have passed", || {
        begun.elapsed() > Duration::from_millis(20)
    })
    .await;
    assert!(took >= Duration::from_millis(15));
}
