//! Prefixes, namespaces, and the name of a service.

use super::*;

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
