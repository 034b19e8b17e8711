//! Files as they are read: every field, and what is said of a wrong one.

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
