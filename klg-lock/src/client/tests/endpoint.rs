//! URIs: what they name, what they show, and what is wrong with them.

use super::*;

fn parse(uri: &str) -> Endpoint {
    Endpoint::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.into(),
        port,
    }
}

#[test]
fn a_single_server() {
    for (uri, address, database, label) in [
        (
            "redis://localhost",
            tcp("localhost", 6379),
            0,
            "redis://localhost:6379",
        ),
        ("redis://h:1/2", tcp("h", 1), 2, "redis://h:1/2"),
        ("valkey://h:1/", tcp("h", 1), 0, "redis://h:1"),
        ("redis://[::1]:7", tcp("::1", 7), 0, "redis://[::1]:7"),
        (
            "redis://u:p@h/3?protocol=resp2",
            tcp("h", 6379),
            3,
            "redis://h:6379/3",
        ),
        ("Redis://h:", tcp("h", 6379), 0, "redis://h:6379"),
        (" redis://h ", tcp("h", 6379), 0, "redis://h:6379"),
    ] {
        let endpoint = parse(uri);
        assert_eq!(endpoint.kind, Kind::Single(address), "{uri}");
        assert_eq!(endpoint.database, database, "{uri}");
        assert_eq!(endpoint.label(), label, "{uri}");
    }
    assert_eq!(parse("redis://h?protocol=2").protocol, Protocol::Resp2);
    assert_eq!(parse("redis://h?protocol=resp3").protocol, Protocol::Newest);
}

#[test]
fn credentials_are_decoded_and_never_shown() {
    for uri in [
        "redis://me:s%3Ac%40ret@h",
        "redis+unix:///run/r.sock?user=me&pass=s%3Ac%40ret",
        #[cfg(feature = "cluster")]
        "redis+cluster://me:s%3Ac%40ret@a,b",
        #[cfg(feature = "sentinel")]
        "redis+sentinel://me:s%3Ac%40ret@a,b/m?sentinel_user=other&sentinel_password=s%3Ac%40ret",
    ] {
        let endpoint = parse(uri);
        assert_eq!(endpoint.credentials.user.as_deref(), Some("me"), "{uri}");
        assert_eq!(
            endpoint.credentials.password.as_deref(),
            Some("s:c@ret"),
            "{uri}"
        );
        for shown in [
            endpoint.to_string(),
            format!("{endpoint:?}"),
            format!("{:?}", endpoint.credentials),
        ] {
            assert!(
                !shown.contains("ret") && !shown.contains("me:"),
                "{uri}: {shown}"
            );
        }
    }
    #[cfg(feature = "sentinel")]
    {
        #[cfg(feature = "sentinel")]
        let endpoint = parse("redis+sentinel://:pw@a/m?sentinel_password=spw");
        assert_eq!(endpoint.credentials.user, None);
        assert_eq!(
            endpoint.sentinel_credentials.password.as_deref(),
            Some("spw")
        );
    }
}

#[cfg(all(feature = "cluster", feature = "sentinel"))]
#[test]
fn several_servers() {
    #[cfg(feature = "cluster")]
    let endpoint = parse("redis+cluster://u:p@a:1,b,[::1]:3,a:1");
    let all = vec![tcp("a", 1), tcp("b", 6379), tcp("::1", 3)];
    assert_eq!(endpoint.kind, Kind::Cluster(all));
    assert_eq!(endpoint.label(), "redis+cluster://a:1,b:6379,[::1]:3");

    #[cfg(feature = "sentinel")]
    let endpoint = parse("redis+sentinel://a,b:1,[::1]/mymaster/4");
    assert_eq!(
        endpoint.kind,
        Kind::Sentinel {
            sentinels: vec![tcp("a", 26379), tcp("b", 1), tcp("::1", 26379)],
            master: "mymaster".into()
        }
    );
    assert_eq!(endpoint.database, 4);
    assert_eq!(
        endpoint.label(),
        "redis+sentinel://a:26379,b:1,[::1]:26379/mymaster/4"
    );
}

#[test]
fn a_socket_and_memory() {
    let endpoint = parse("redis+unix:///run/r.sock?db=2");
    let path = "/run/r.sock".into();
    assert_eq!(endpoint.kind, Kind::Single(Address::Unix { path }));
    assert_eq!(endpoint.database, 2);
    assert_eq!(endpoint.label(), "redis+unix:///run/r.sock?db=2");
    assert_eq!(parse("memory://").kind, Kind::Memory(None));
    assert_eq!(
        parse("memory://shared").kind,
        Kind::Memory(Some("shared".into()))
    );
    assert_eq!(parse("memory://shared").label(), "memory://shared");
}

#[test]
fn what_is_wrong_is_said_with_the_way_out_and_without_the_password() {
    for (uri, words) in [
        ("", "redis://host:port"),
        ("localhost:6379", "redis://host:port"),
        ("me:secret@localhost", "redis://host:port"),
        ("http://me:secret@h", "unknown scheme \"http\""),
        ("redis://", "redis://host:port"),
        ("redis://me:secret@", "redis://host:port"),
        ("redis://me:secret@h:99999", "1 to 65535"),
        ("redis://me:secret@h:x", "1 to 65535"),
        ("redis://me:secret@h:0", "1 to 65535"),
        ("redis+cluster://me:secret@a:1,b:70000", "1 to 65535"),
        ("redis+sentinel://me:secret@a:1,b:x/m", "1 to 65535"),
        ("redis://me:secret", "1 to 65535"),
        ("redis://me:secret@h:1:2", "brackets"),
        ("redis://me:secret@::1", "brackets"),
        ("redis://me:secret@a b", "no host"),
        ("redis://me:sec?ret@h", "percent-encode"),
        ("redis://me:sec/ret@h", "percent-encode"),
        ("redis://me:secret@h/x", "database"),
        ("redis://me:secret@h/-1", "database"),
        ("redis://me:secret@h?protocol=4", "resp2 or resp3"),
        (
            "redis://me:secret@h?timeout=4",
            "unknown option \"timeout\"",
        ),
        ("redis://me:sec#ret@h", "%23"),
        ("redis://me:secret@h#insecure", "tls_ca"),
        ("redis://me:secret@a,b", "redis+cluster://"),
        ("redis+cluster://", "at least one host"),
        ("redis+cluster://me:secret@a,,b", "at least one host"),
        ("redis+cluster://me:secret@a/2", "no database but 0"),
        ("redis+sentinel://me:secret@a,b", "master's name is missing"),
        (
            "redis+sentinel://me:secret@a,b/",
            "master's name is missing",
        ),
        ("redis+sentinel://me:secret@a/m/x", "database"),
        ("redis+unix://run/r.sock?pass=secret", "absolute path"),
        ("memory://a/b", "nothing but a name"),
        ("redis://me:secret@h?tls_ca=/x", "rediss://"),
    ] {
        let error = match Endpoint::parse(uri) {
            Ok(endpoint) => panic!("{uri} was read as {endpoint}"),
            Err(error) => error,
        };
        assert!(matches!(error, Error::Config(_)));
        let text = error.to_string();
        assert!(text.contains(words), "{uri}: {text}");
        assert!(
            !text.contains("secret") && !text.contains("ret@"),
            "{uri}: {text}"
        );
    }
}

#[test]
fn a_scheme_names_the_feature_it_needs() {
    for (uri, built, feature) in [
        ("redis+cluster://a", cfg!(feature = "cluster"), "cluster"),
        (
            "redis+sentinel://a/m",
            cfg!(feature = "sentinel"),
            "sentinel",
        ),
    ] {
        match Endpoint::parse(uri) {
            Ok(_) => assert!(built),
            Err(error) => {
                assert!(!built);
                assert!(error.to_string().contains(&format!("feature `{feature}`")));
            }
        }
    }
    let tls = Endpoint::parse("rediss://h?tls_ca=/ca.pem&tls_cert=/c.pem&tls_key=/k.pem");
    if cfg!(feature = "tls") {
        let files = tls.unwrap().tls.unwrap();
        assert_eq!(files.authority, Some("/ca.pem".into()));
        assert_eq!(files.identity, Some(("/c.pem".into(), "/k.pem".into())));
        assert!(Endpoint::parse("rediss://h?tls_cert=/c.pem").is_err());
    } else {
        assert!(tls.unwrap_err().to_string().contains("feature `tls`"));
    }
}

#[test]
fn files_can_be_named_beside_the_uri() {
    let files = TlsFiles {
        authority: Some("/own.pem".into()),
        identity: None,
    };
    let error = parse("redis://h").with_tls(files.clone()).unwrap_err();
    assert!(error.to_string().contains("rediss://"), "{error}");
    assert!(parse("redis://h").with_tls(TlsFiles::default()).is_ok());
    if cfg!(feature = "tls") {
        let endpoint = parse("rediss://h?tls_ca=/ca.pem").with_tls(files).unwrap();
        assert_eq!(endpoint.tls.unwrap().authority, Some("/own.pem".into()));
    }
}
