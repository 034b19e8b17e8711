//! Settings that need or exclude each other.

use super::*;

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
