//! What the dependencies ask of those who use the library: their licences and their Rust version.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than attribution.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--all-features"])
        .args(["--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// All packages by their id.
fn packages(metadata: &Value) -> BTreeMap<&str, &Value> {
    list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), package))
        .collect()
}

/// What a user of `klg-lock` builds, as names with versions: no development dependencies, on any
/// system, all features. By `cargo tree`, which leaves out what other members of the workspace ask
/// of the same packages.
fn built_by_users() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--package",
            "klg-lock",
            "--all-features",
        ])
        .args(["--edges", "no-dev", "--target", "all"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

/// `1.88` and `1.88.0` are the same version.
fn version(text: &str) -> [u32; 3] {
    let mut version = [0; 3];
    for (number, part) in version.iter_mut().zip(text.split('.')) {
        *number = part.parse().unwrap();
    }
    version
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_the_library_declares() {
    let metadata = metadata();
    let packages = packages(&metadata);
    let built = built_by_users();
    assert!(built.len() > 20, "the tree was not walked: {built:?}");
    let declared = packages
        .values()
        .find(|package| package["name"] == "klg-lock")
        .map(|package| version(text(&package["rust_version"])))
        .unwrap();
    let of_users: Vec<&Value> = packages
        .into_values()
        .filter(|package| {
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            built.contains(&format!("{name} v{version}"))
        })
        .collect();
    assert!(of_users.len() > 20, "{} of {built:?}", of_users.len());
    let newer: Vec<String> = of_users
        .into_iter()
        .filter(|package| {
            package["rust_version"]
                .as_str()
                .is_some_and(|asked| version(asked) > declared)
        })
        .map(|package| format!("{} {}", package["name"], package["rust_version"]))
        .collect();
    assert!(newer.is_empty(), "newer than {declared:?}: {newer:?}");
}

#[test]
fn every_licence_is_permissive() {
    let metadata = metadata();
    let refused: Vec<String> = packages(&metadata)
        .values()
        .filter(|package| {
            let mode = spdx::ParseMode::LAX;
            let licence = spdx::Expression::parse_mode(text(&package["license"]), mode);
            licence.map_or(true, |expression| {
                !expression.evaluate(|term| ALLOWED.contains(&term.to_string().as_str()))
            })
        })
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}
