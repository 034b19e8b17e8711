//! URIs, nodes and clients that cannot be what they say.

use super::*;

#[test]
fn an_empty_uri_is_refused() {
    assert_eq!(
        refused(&Config::default().uri(" ")),
        "configuration: redis.uri is empty; give a URI such as redis://localhost:6379, or memory:// for a server in this process"
    );
    assert_eq!(
        refused(&client("session", |client| client.uri(""))),
        "configuration: redis.clients.session.uri is empty; give a URI such as redis://localhost:6379, or memory:// for a server in this process"
    );
    assert_eq!(
        refused(&Config::default().nodes(["memory://", ""])),
        "configuration: redlock.nodes[1] is empty; give a URI such as redis://localhost:6379, or memory:// for a server in this process"
    );
}

#[test]
fn a_uri_that_is_none_is_refused_by_the_name_of_its_field_and_without_its_credentials() {
    let forms = "write one of redis://host:port/database, rediss:// (TLS), redis+unix:///path, \
         redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/master-name, memory://";
    assert_eq!(
        refused(&Config::default().uri("http://me:secret@host")),
        format!("configuration: redis.uri: unknown scheme \"http\" in a Redis URI; {forms}")
    );
    assert_eq!(
        refused(&client("a", |client| client.uri("me:secret@host"))),
        format!("configuration: redis.clients.a.uri: \"host\" is not a Redis URI; {forms}")
    );
    let nodes = ["redis://a", "redis+sentinel://me:secret@b"];
    let message = refused(&Config::default().nodes(nodes));
    assert!(
        message.starts_with("configuration: redlock.nodes[1]: the master's name is missing"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    let files = TlsConfig::default().ca(std::path::PathBuf::from("ca.pem"));
    assert_eq!(
        refused(&client("a", |client| client.tls(files))),
        "configuration: redis.clients.a.uri: certificates are given, but redis://localhost:6379 does not use TLS; write rediss://"
    );
}

#[test]
fn the_name_of_a_client_must_be_one() {
    assert_eq!(
        refused(&client("default", |client| client)),
        "configuration: redis.clients.default takes the name of the default client; set that one in [redis], or choose another name"
    );
    for name in ["", " a", "a\n"] {
        assert_eq!(
            refused(&client(name, |client| client)),
            format!(
                "configuration: {name:?} in redis.clients cannot name a client; give a name that is not empty and has no space around it"
            )
        );
    }
}

#[test]
fn the_same_node_twice_is_refused_and_named_without_its_credentials() {
    assert_eq!(
        refused(&Config::default().nodes([
            "redis://a:pw1@h",
            "redis://i:2",
            "redis://b:pw2@h:6379/3"
        ])),
        "configuration: redlock.nodes names redis://h:6379/3 twice; a server has one vote, so name each once"
    );
    Config::default()
        .nodes(["memory://", "memory://", "memory://a"])
        .check()
        .unwrap();
}
