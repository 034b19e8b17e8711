//! Runs every example, in memory and on a real Redis, and compares what it prints with
//! `expected/`, where `[..]` stands for any text; `SNAPSHOTS=overwrite` writes those files anew.
//!
//! Run the whole package: given the name of a test, cargo does not build the examples.

// A test fails by panicking, also in its helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use klg_lock::Config;
use klg_lock_tests::poll::wait_until;
use klg_lock_tests::{Authority, Cluster, Process, Sentinel, Server};
use rustix::process::Signal;
use snapbox::{Data, assert_data_eq};

/// The program of an example: cargo builds them beside this test's own.
fn program(example: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(example);
    assert!(
        path.exists(),
        "{example} is not built; run the whole package: cargo test -p klg-lock-examples"
    );
    path
}

/// An example's command, with nothing of the caller's settings.
fn command(example: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program(example));
    for name in [
        "REDIS_URI",
        "REDIS_PREFIX",
        "REDLOCK_NODES",
        "SESSION_URI",
        "PORT",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

/// Runs an example to its end; it must succeed, say nothing on standard error, and print what is
/// expected of it.
fn prints_what_is_expected(example: &str, variables: &[(&str, &str)]) {
    let mut command = command(example, variables);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{example}: {}\n{errors}",
        output.status
    );
    assert_eq!(errors, "", "{example} complains");
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("expected/{example}.txt"));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_data_eq!(printed, Data::read_from(&expected, None));
}

fn in_memory_and_on_redis(example: &str) {
    prints_what_is_expected(example, &[]);
    let server = Server::start();
    prints_what_is_expected(example, &[("REDIS_URI", &server.uri())]);
    assert_eq!(keys(&server), [""; 0], "left behind by {example}");
}

/// The lock keys on a server.
fn locks(server: &Server) -> Vec<String> {
    let keys = keys(server).into_iter();
    keys.filter(|key| key.contains("lock:")).collect()
}

/// All keys on a server, except for fence keys, which outlive their locks.
fn keys(server: &Server) -> Vec<String> {
    let keys = server.control().keys().into_iter();
    keys.filter(|key| !key.contains("fence:")).collect()
}

#[test]
fn quickstart() {
    in_memory_and_on_redis("quickstart");
}

#[test]
fn transfer() {
    in_memory_and_on_redis("transfer");
}

#[test]
fn without_macros() {
    in_memory_and_on_redis("without_macros");
}

#[test]
fn own_engine() {
    in_memory_and_on_redis("own_engine");
}

#[test]
fn store() {
    in_memory_and_on_redis("store");
}

#[test]
fn clients() {
    prints_what_is_expected("clients", &[]);
    let server = Server::start();
    let session = format!("{}/2", server.uri());
    prints_what_is_expected(
        "clients",
        &[("REDIS_URI", &server.uri()), ("SESSION_URI", &session)],
    );
}

#[test]
fn cache_writes() {
    in_memory_and_on_redis("cache_writes");
}

#[test]
fn stampede() {
    in_memory_and_on_redis("stampede");
}

#[test]
fn cache_tags() {
    prints_what_is_expected("cache_tags", &[]);
    prints_what_is_expected("cache_tags", &[("REDIS_URI", &Server::start().uri())]);
}

#[test]
fn stale_on_error() {
    prints_what_is_expected("stale_on_error", &[]);
}

#[test]
fn cached_users_are_in_redis_when_it_runs_again() {
    prints_what_is_expected("cached_users", &[]);
    let server = Server::start();
    let uri = server.uri();
    prints_what_is_expected("cached_users", &[("REDIS_URI", &uri)]);
    let mut again = command("cached_users", &[("REDIS_URI", &uri)]);
    let output = again.stdin(Stdio::null()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("Ann"), "{printed}");
    assert!(!printed.contains("loading"), "{printed}");
}

#[test]
fn cluster() {
    prints_what_is_expected("cluster", &[("REDIS_URI", &Cluster::start().uri())]);
}

#[test]
fn sentinel() {
    prints_what_is_expected("sentinel", &[("REDIS_URI", &Sentinel::start().uri())]);
}

#[test]
fn tls() {
    let authority = Authority::new();
    let server = Server::with().tls(&authority, true).start();
    let files = [
        ("REDIS_URI", server.tls_uri()),
        ("TLS_CA", authority.root().display().to_string()),
        (
            "TLS_CERT",
            authority.client_certificate().display().to_string(),
        ),
        ("TLS_KEY", authority.client_key().display().to_string()),
    ];
    let variables = files
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    prints_what_is_expected("tls", &variables);
}

#[test]
fn three_nodes() {
    prints_what_is_expected("three_nodes", &[]);
    let servers = Server::start_many::<3>();
    let nodes = servers.each_ref().map(Server::uri).join(",");
    prints_what_is_expected("three_nodes", &[("REDLOCK_NODES", &nodes)]);
}

/// A running users-service, and where it listens.
struct Service {
    process: Process,
    address: String,
}

impl Service {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = command("users-service", variables);
        let process = Process::start_in(command.env("PORT", "0"));
        let line = process.line();
        let address = line.strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { process, address }
    }
}

/// Sends requests at the same time; the answers come back in the order of their status.
fn ask(address: &str, method: &str, path: &str, times: usize) -> Vec<Answer> {
    let mut answers: Vec<Answer> = thread::scope(|scope| {
        let asking: Vec<_> = (0..times)
            .map(|_| scope.spawn(|| Answer::to(address, method, path)))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    answers.sort_by_key(|answer| answer.status);
    answers
}

fn statuses(address: &str, method: &str, path: &str, times: usize) -> Vec<u16> {
    let answers = ask(address, method, path, times);
    answers.iter().map(|answer| answer.status).collect()
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn to(address: &str, method: &str, path: &str) -> Self {
        Self::to_json(address, method, path, "")
    }

    fn to_json(address: &str, method: &str, path: &str, body: &str) -> Self {
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }
}

fn users_service(variables: &[(&str, &str)]) {
    let service = Service::start(variables);
    let address = service.address.as_str();
    let users = "[1,2,3,4,5]";
    for path in ["/users/mutex", "/users/decorator/mutex?name=deo"] {
        let answers = ask(address, "GET", path, 3);
        assert_eq!(answers[0].status, 200, "{path}: {}", answers[0].body);
        assert_eq!(answers[0].body, users);
        for refused in &answers[1..] {
            assert_eq!(refused.status, 409, "{path}: {}", refused.body);
            assert!(refused.head.contains("retry-after: "), "{}", refused.head);
            for told in [
                r#""error":"contended""#,
                r#""holder":""#,
                r#""remaining_ms":"#,
            ] {
                assert!(refused.body.contains(told), "{}", refused.body);
            }
        }
    }
    for path in ["/users/buffer", "/users/decorator/buffer?name=deo"] {
        for answer in ask(address, "GET", path, 3) {
            assert_eq!(
                (answer.status, answer.body.as_str()),
                (200, users),
                "{path}"
            );
        }
    }
    // An empty name is no key, and the client's mistake.
    let empty = "/users/decorator/mutex?name=";
    assert_eq!(statuses(address, "GET", empty, 1), [400]);
    assert_eq!(statuses(address, "POST", "/users/getAndSet", 1), [201]);

    // A change is seen at once, although the old answer was cached.
    let user = "/users/7";
    assert_eq!(statuses(address, "GET", user, 1), [404]);
    for name in ["Ann", "Bob"] {
        let body = format!(r#"{{"name":"{name}"}}"#);
        assert_eq!(Answer::to_json(address, "PUT", user, &body).status, 204);
        for _ in 0..2 {
            let found = Answer::to(address, "GET", user);
            assert_eq!((found.status, found.body), (200, format!("\"{name}\"")));
        }
    }
    assert_eq!(statuses(address, "DELETE", user, 1), [204]);
    assert_eq!(statuses(address, "GET", user, 1), [404]);
}

#[test]
fn users_service_in_memory() {
    users_service(&[]);
}

#[test]
fn users_services_exclude_each_other_and_release_on_sigterm() {
    let server = Server::start();
    let uri = server.uri();
    users_service(&[("REDIS_URI", &uri)]);

    let (mut one, other) = (
        Service::start(&[("REDIS_URI", &uri)]),
        Service::start(&[("REDIS_URI", &uri)]),
    );
    let address = one.address.clone();
    thread::scope(|scope| {
        let held = scope.spawn(|| statuses(&address, "GET", "/users/mutex", 1));
        wait_until("the lock is held", || !locks(&server).is_empty());
        assert_eq!(statuses(&other.address, "GET", "/users/mutex", 1), [409]);
        // Requests that run are answered.
        one.process.signal(Signal::TERM);
        assert_eq!(held.join().unwrap(), [200]);
    });
    let (status, rest) = one.process.wait();
    assert!(status.success(), "{status}");
    assert_eq!(rest, ["every lock is released"]);
    assert_eq!(locks(&server), [""; 0]);
}

#[test]
fn the_configuration_file_says_what_the_guide_says() {
    let text = include_str!("config/default.toml");
    // Not by `load_from`, which also looks at this process's environment.
    let read: Config = toml::from_str(text).unwrap();
    let session = &read.redis.clients["session"];
    assert_eq!(session.uri.as_str(), "redis://localhost:6380/2");
    assert_eq!(session.prefix, "session_");
    // Apart from that client it changes nothing.
    let mut without = read.clone();
    without.redis.clients.clear();
    assert_eq!(without, Config::default(), "{text}");
}
