//! What is seen and done on a server from outside.

use std::collections::BTreeSet;
use std::time::Duration;

use klg_lock_tests::Server;

use super::is_error;

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
