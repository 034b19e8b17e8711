use std::time::Duration;

use super::*;
use crate::error::Error;

/// What a rule says when it is broken.
fn refused(config: &Config) -> String {
    match config.check() {
        Err(error @ Error::Config(_)) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(()) => panic!("nothing wrong with {config:?}"),
    }
}

fn redlock(change: impl FnOnce(RedlockConfig) -> RedlockConfig) -> Config {
    Config::default().redlock(change(RedlockConfig::default()))
}

fn buffer(change: impl FnOnce(BufferConfig) -> BufferConfig) -> Config {
    redlock(|redlock| redlock.buffer(change(BufferConfig::default())))
}

fn cache(change: impl FnOnce(CacheConfig) -> CacheConfig) -> Config {
    Config::default().cache(change(CacheConfig::default()))
}

fn client(name: &str, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Config {
    let client = change(ClientConfig::default().uri("redis://localhost"));
    Config::default().redis(RedisConfig::default().client(name, client))
}

#[test]
fn the_defaults_are_possible_and_as_documented() {
    let config = Config::default();
    config.check().unwrap();
    assert_eq!(config.redis.uri, "redis://localhost:6379".into());
    assert_eq!(config.redis.prefix, "redis_");
    assert_eq!(config.redlock.ttl, Duration::from_secs(60));
    assert_eq!(config.redlock.buffer.wait, Duration::from_secs(600));
    assert_eq!(
        config.redlock.buffer.retry_delay,
        Duration::from_millis(400)
    );
    assert_eq!(config.redlock.buffer.retry_count, 0);
    assert_eq!(config.cache.ttl, Duration::from_secs(300));
    assert!(config.redlock.nodes.is_empty());
}

#[test]
fn the_default_client_and_a_named_one_share_their_defaults() {
    let default = RedisConfig::default().default_client();
    assert_eq!(ClientConfig::default().uri(default.uri.clone()), default);
}

#[test]
fn every_client_is_listed_the_default_one_first() {
    let config = client("session", |client| client.prefix("session_"));
    let names: Vec<_> = config.redis.all_clients().map(|(name, _)| name).collect();
    assert_eq!(names, ["default", "session"]);
}

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
fn a_stray_brace_in_a_prefix_or_namespace_is_refused() {
    for prefix in ["{", "a}", "{}", "{a}{b}", "{{a}}", "}a{"] {
        assert_eq!(
            refused(&Config::default().prefix(prefix)),
            format!(
                "configuration: redis.prefix is {prefix:?}, which has a stray brace; write none, or one complete hash tag such as \"{{app}}:\""
            )
        );
    }
    for prefix in ["", "a:", "{a}", "a{b}c"] {
        Config::default().prefix(prefix).check().unwrap();
    }
    assert_eq!(
        refused(&redlock(|redlock| redlock.namespace("{a}"))),
        "configuration: redlock.namespace is \"{a}\", which has a brace; put a hash tag into the prefix, or into the keys"
    );
    assert_eq!(
        refused(&cache(|cache| cache.namespace("a}"))),
        "configuration: cache.namespace is \"a}\", which has a brace; put a hash tag into the prefix, or into the keys"
    );
}

#[test]
fn locks_and_cached_values_may_not_share_keys() {
    for namespace in ["", "lo"] {
        let error = refused(&cache(|cache| cache.namespace(namespace)));
        assert!(
            error.ends_with("give the cache a namespace that no lock's key begins with"),
            "{error}"
        );
    }
    assert_eq!(
        refused(&cache(|cache| cache.namespace("lock:"))),
        "configuration: redlock.namespace and cache.namespace are both \"lock:\", so that a lock and a cached value of the same name would share a key; give each its own"
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

#[test]
fn a_ttl_out_of_range_is_refused() {
    for (ttl, shown) in [
        (Duration::ZERO, "0s"),
        (Duration::from_millis(4), "4ms"),
        (Duration::from_secs(30 * 24 * 3600), "30days"),
    ] {
        assert_eq!(
            refused(&redlock(|redlock| redlock.ttl(ttl))),
            format!(
                "configuration: redlock.ttl is {shown}, but must be from 5ms to 24days 20h 31m 23s 647ms"
            )
        );
    }
    assert!(refused(&redlock(|redlock| redlock.ttl(Duration::MAX))).contains("redlock.ttl is "));
    assert_eq!(
        refused(&redlock(|redlock| redlock.max_ttl(Duration::from_secs(30)))),
        "configuration: redlock.ttl of 1m is longer than redlock.max_ttl of 30s"
    );
}

#[test]
fn a_drift_factor_must_leave_validity() {
    for factor in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refused(&redlock(|redlock| redlock.drift_factor(factor))),
            format!(
                "configuration: redlock.drift_factor is {factor}, but must be at least 0 and below 1"
            )
        );
    }
    let ttl = Duration::from_millis(10);
    assert_eq!(
        refused(&redlock(|redlock| redlock.ttl(ttl).drift_factor(0.9))),
        "configuration: redlock.ttl of 10ms leaves no validity at a redlock.drift_factor of 0.9; raise the one or lower the other"
    );
}

#[test]
fn durations_that_would_end_before_they_begin_are_refused() {
    let zero = Duration::ZERO;
    let cases = [
        (
            redlock(|s| s.node_timeout(zero)),
            "redlock.node_timeout is 0s, but must be at least 1ms",
        ),
        (
            redlock(|s| s.max_hold(zero)),
            "redlock.max_hold is 0s, but must be at least 5ms",
        ),
        (
            buffer(|s| s.wait(zero)),
            "redlock.buffer.wait is 0; a lock that does not wait is a mutex lock, so use that",
        ),
        (
            buffer(|s| s.retry_delay(zero)),
            "redlock.buffer.retry_delay is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.ttl(zero)),
            "cache.ttl is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.none_ttl(zero)),
            "cache.none_ttl is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.timeout(zero)),
            "cache.timeout is 0s, but must be at least 1ms",
        ),
        (
            cache(|s| s.load_timeout(zero)),
            "cache.load_timeout is 0s, but must be at least 1ms",
        ),
        (
            client("a", |s| s.connect_timeout(zero)),
            "redis.clients.a.connect_timeout is 0s, but must be at least 1ms",
        ),
        (
            Config::default().redis(RedisConfig::default().response_timeout(zero)),
            "redis.response_timeout is 0s, but must be at least 1ms",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(refused(&config), format!("configuration: {message}"));
    }
}

#[test]
fn durations_without_end_are_refused() {
    let endless = Duration::from_secs(u64::MAX / 2);
    for config in [
        redlock(|s| s.node_timeout(endless)),
        redlock(|s| s.max_hold(endless)),
        redlock(|s| s.handover_time(endless)),
        redlock(|s| s.shutdown_grace(endless)),
        buffer(|s| s.wait(endless)),
        buffer(|s| s.retry_delay(endless)),
        buffer(|s| s.retry_jitter(endless)),
        cache(|s| s.ttl(endless)),
        cache(|s| s.stale(endless)),
        cache(|s| s.breaker_pause(endless)),
        client("a", |s| s.response_timeout(endless)),
    ] {
        let message = refused(&config);
        assert!(
            message.ends_with(", but must be at most a year"),
            "{message}"
        );
    }
}

#[test]
fn a_service_must_be_readable_and_short() {
    assert_eq!(
        refused(&redlock(|redlock| redlock.service("a\nb".to_owned()))),
        "configuration: redlock.service is \"a\\nb\"; give a name that others can read, or none"
    );
    assert_eq!(
        refused(&redlock(|redlock| redlock.service("x".repeat(129)))),
        "configuration: redlock.service has 129 bytes, at most 128 are allowed: it travels with every request"
    );
}

#[test]
fn settings_that_need_each_other_are_checked_together() {
    assert_eq!(
        refused(&redlock(|redlock| redlock.restart_guard(true))),
        "configuration: redlock.restart_guard needs redlock.max_ttl: that is how long a node that restarted stays out of the vote"
    );
    assert_eq!(
        refused(&client("a", |client| client
            .lazy(true)
            .require_connection(true))),
        "configuration: redis.clients.a.lazy and redis.clients.a.require_connection are both set; a client that connects at its first use cannot be required to at start-up"
    );
    let cert = TlsConfig::default().cert(std::path::PathBuf::from("c.pem"));
    assert_eq!(
        refused(&client("a", |client| client.tls(cert))),
        "configuration: redis.clients.a.tls.cert is set without redis.clients.a.tls.key; a client certificate needs both"
    );
    assert_eq!(
        refused(&cache(|cache| cache.client("other".to_owned()))),
        "configuration: cache.client names no client: \"other\"; known: default"
    );
}

#[test]
fn what_this_version_cannot_do_is_refused_rather_than_ignored() {
    let max_ttl = Duration::from_secs(60);
    assert_eq!(
        refused(&redlock(|redlock| redlock
            .restart_guard(true)
            .max_ttl(max_ttl))),
        "configuration: redlock.restart_guard is not available in this version; leave it off"
    );
}

#[test]
fn numbers_of_the_cache_are_checked() {
    let cases = [
        (
            cache(|s| s.beta(-1.0)),
            "cache.beta is -1, but must be a number from 0 (no early refresh) upwards",
        ),
        (
            cache(|s| s.ttl_jitter(1.0)),
            "cache.ttl_jitter is 1, but must be at least 0 and below 1",
        ),
        (
            cache(|s| s.refreshes(0_u32)),
            "cache.refreshes is 0, but must be at least 1",
        ),
        (
            cache(|s| s.breaker_failures(0_u32)),
            "cache.breaker_failures is 0, but must be at least 1",
        ),
        (
            cache(|s| s.l1(L1Config::default().max_bytes(0_u64))),
            "cache.l1.max_bytes is 0, but must be at least 1",
        ),
    ];
    for (config, message) in cases {
        assert_eq!(refused(&config), format!("configuration: {message}"));
    }
}

mod environment {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<Config, Error> {
        Config::default().overridden(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn three_variables_override_the_defaults() {
        assert_eq!(from(&[]).unwrap(), Config::default());
        let config = from(&[
            ("REDIS_URI", " memory://a "),
            ("REDIS_PREFIX", ""),
            ("REDLOCK_NODES", "memory://x, memory://y,memory://z"),
        ]);
        let expected = Config::default().uri("memory://a").prefix("").nodes([
            "memory://x",
            "memory://y",
            "memory://z",
        ]);
        assert_eq!(config.unwrap(), expected);
        assert!(
            from(&[("REDLOCK_NODES", " ")])
                .unwrap()
                .redlock
                .nodes
                .is_empty()
        );
    }

    #[test]
    fn impossible_variables_are_refused() {
        assert_eq!(
            from(&[("REDIS_URI", " ")]).unwrap_err().to_string(),
            "configuration: REDIS_URI is set but empty; unset it, or give a URI such as redis://localhost:6379"
        );
        assert_eq!(
            from(&[("REDLOCK_NODES", "memory://a,,memory://b")])
                .unwrap_err()
                .to_string(),
            "configuration: redlock.nodes[1] is empty; give a URI such as redis://localhost:6379, or memory:// for a server in this process"
        );
        assert!(
            from(&[("REDIS_PREFIX", "{")])
                .unwrap_err()
                .to_string()
                .contains("stray brace")
        );
        let error = Config::default()
            .overridden(|name| (name == "REDIS_URI").then(|| OsString::from_vec(vec![0xff])));
        assert_eq!(
            error.unwrap_err().to_string(),
            "configuration: REDIS_URI is not valid Unicode"
        );
    }
}

#[cfg(feature = "load")]
mod files {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicU32, Ordering};

    use ::config::{File, FileFormat};

    use super::*;

    fn read(toml: &str) -> Result<Config, String> {
        ::config::Config::builder()
            .add_source(File::from_str(toml, FileFormat::Toml))
            .build()
            .and_then(::config::Config::try_deserialize)
            .map_err(|error| error.to_string())
    }

    fn error(toml: &str) -> String {
        read(toml).expect_err("an error")
    }

    /// A directory with these files, removed in the end.
    struct Directory(PathBuf);

    impl Directory {
        fn with(files: &[(&str, &str)]) -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let unique = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("klg-lock-config-{}-{unique}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            for (name, content) in files {
                std::fs::write(path.join(name), content).unwrap();
            }
            Self(path)
        }

        fn load(&self, variables: &[(&str, &str)]) -> Result<Config, Error> {
            layered(&self.0, variables)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn layered(path: &Path, variables: &[(&str, &str)]) -> Result<Config, Error> {
        Config::layered(path, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_file_of_the_guide_says_what_the_defaults_say() {
        let config = read(
            r#"
            port = 3000

            [redis]
            uri = "redis://localhost:6379"
            prefix = "redis_"

            [redis.clients.session]
            uri = "redis://localhost:6380/2"
            prefix = "session_"

            [redlock]
            nodes = []
            namespace = "lock:"
            ttl = "60s"
            drift_factor = 0.01
            auto_extend = true

            [redlock.buffer]
            wait = "10m"
            retry_count = 0
            retry_delay = "400ms"
            retry_jitter = "400ms"

            [cache]
            namespace = "cache:"
            ttl = "5m"

            [application]
            anything = "goes"
            "#,
        );
        let session = ClientConfig::default()
            .uri("redis://localhost:6380/2")
            .prefix("session_");
        let expected = Config::default().redis(RedisConfig::default().client("session", session));
        assert_eq!(config.unwrap(), expected);
    }

    #[test]
    fn a_duration_is_text_or_milliseconds() {
        let ttl = |ttl: &str| {
            read(&format!("[redlock]\nttl = {ttl}"))
                .unwrap()
                .redlock
                .ttl
        };
        assert_eq!(ttl("\"1m 30s\""), Duration::from_secs(90));
        assert_eq!(ttl("1500"), Duration::from_millis(1500));
        assert_eq!(ttl("\"1500\""), Duration::from_millis(1500));
        let config = read("[redlock]\nmax_hold = \"2h\"\nmax_ttl = 60000").unwrap();
        assert_eq!(config.redlock.max_hold, Some(Duration::from_secs(7200)));
        assert_eq!(config.redlock.max_ttl, Some(Duration::from_secs(60)));
    }

    #[test]
    fn every_kind_of_setting_is_read() {
        let config = read(
            r#"
            [redis]
            require_connection = true
            tls = { ca = "ca.pem", cert = "c.pem", key = "k.pem" }
            [redlock]
            nodes = ["memory://a", "memory://b"]
            service = "shop"
            drift_factor = 0
            [cache]
            client = "default"
            codec = "json"
            compress_above = 1024
            beta = 1.5
            [cache.l1]
            enabled = true
            "#,
        )
        .unwrap();
        assert!(config.redis.require_connection);
        assert_eq!(config.redis.tls.key, Some("k.pem".into()));
        assert_eq!(
            config.redlock.nodes,
            ["memory://a".into(), "memory://b".into()]
        );
        assert_eq!(config.redlock.service.as_deref(), Some("shop"));
        assert_eq!(config.cache.codec, Codec::Json);
        assert_eq!(config.cache.compress_above, Some(1024));
        assert!(config.cache.l1.enabled);
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_known_one() {
        for (toml, message) in [
            (
                "[redis]\nurl = \"x\"",
                "unknown field `url` in [redis]; the nearest known one is `uri`",
            ),
            (
                "[redis.clients.a]\nprefx = \"x\"",
                "unknown field `prefx` in [redis.clients]; the nearest known one is `prefix`",
            ),
            (
                "[redlock]\nauto_extends = true",
                "unknown field `auto_extends` in [redlock]; the nearest known one is `auto_extend`",
            ),
            (
                "[redlock]\nnode = []",
                "unknown field `node` in [redlock]; the nearest known one is `nodes`",
            ),
            (
                "[redlock.buffer]\nretry_cuont = 1",
                "unknown field `retry_cuont` in [redlock.buffer]; the nearest known one is `retry_count`",
            ),
            (
                "[cache]\nname_space = \"\"",
                "unknown field `name_space` in [cache]; the nearest known one is `namespace`",
            ),
        ] {
            let error = error(toml);
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_by_its_field() {
        for (toml, message) in [
            (
                "[redlock]\nttl = \"soon\"",
                "\"soon\" is not a duration (expected number at 0); write one such as \"10s\" or \"1m 30s\", or an integer in milliseconds for key `redlock.ttl`",
            ),
            (
                "[redlock]\nttl = -1",
                "a duration cannot be negative; write one such as \"10s\", or an integer in milliseconds for key `redlock.ttl`",
            ),
            (
                "[redlock]\nttl = 1.5",
                "invalid type: floating point `1.5`, expected a duration such as \"10s\" or \"1m 30s\", or an integer in milliseconds for key `redlock.ttl`",
            ),
            (
                "[redlock]\nttl = \"99999999999999999999\"",
                "the duration \"99999999999999999999\" is too long for key `redlock.ttl`",
            ),
        ] {
            assert_eq!(error(toml), message);
        }
        let negative = error("[redlock.buffer]\nretry_count = -1");
        assert!(negative.contains("`-1`"), "{negative}");
        assert!(
            negative.contains("`redlock.buffer.retry_count`"),
            "{negative}"
        );
    }

    #[test]
    fn layers_override_each_other_field_by_field() {
        let directory = Directory::with(&[
            (
                "default.toml",
                "[redis]\nuri = \"memory://d\"\nprefix = \"d_\"\n[redlock]\nttl = \"10s\"",
            ),
            (
                "production.toml",
                "[redis]\nprefix = \"p_\"\n[redlock]\ndrift_factor = 0.02",
            ),
            ("development.toml", "[redis]\nprefix = \"dev_\""),
        ]);
        let production = directory.load(&[("RUN_ENV", "production"), ("REDIS_URI", "memory://e")]);
        let production = production.unwrap();
        assert_eq!(production.redis.uri, "memory://e".into());
        assert_eq!(production.redis.prefix, "p_");
        assert_eq!(production.redlock.ttl, Duration::from_secs(10));
        assert_eq!(production.redlock.drift_factor, 0.02);
        let development = directory.load(&[]).unwrap();
        assert_eq!(development.redis.prefix, "dev_");
        assert_eq!(
            directory
                .load(&[("RUN_ENV", "staging")])
                .unwrap()
                .redis
                .prefix,
            "d_"
        );
    }

    #[test]
    fn no_files_are_the_defaults() {
        let nowhere = Path::new("/nonexistent/config");
        assert_eq!(layered(nowhere, &[]).unwrap(), Config::default());
    }

    #[test]
    fn a_broken_file_is_named() {
        let directory = Directory::with(&[("default.toml", "[redis\n")]);
        let error = directory.load(&[]).unwrap_err().to_string();
        assert!(error.starts_with("configuration: "), "{error}");
        assert!(error.contains("default.toml"), "{error}");
        let directory = Directory::with(&[("default.toml", "[redlock]\ntlt = 1")]);
        let error = directory.load(&[]).unwrap_err().to_string();
        assert!(error.contains("the nearest known one is `ttl`"), "{error}");
        let directory = Directory::with(&[("default.toml", "[redlock]\nttl = 1")]);
        assert_eq!(
            directory.load(&[]).unwrap_err().to_string(),
            "configuration: redlock.ttl is 1ms, but must be from 5ms to 24days 20h 31m 23s 647ms"
        );
    }

    #[test]
    fn the_stage_must_name_a_file() {
        for stage in ["", "../secret", ".."] {
            let error = layered(Path::new("config"), &[("RUN_ENV", stage)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "configuration: RUN_ENV is {stage:?}; give the name of a file in config, without `.toml`"
                )
            );
        }
    }
}
