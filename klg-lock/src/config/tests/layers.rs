//! Files and variables laid over each other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

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
