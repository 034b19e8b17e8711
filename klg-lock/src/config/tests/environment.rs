//! Variables of the environment, which override everything.

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
