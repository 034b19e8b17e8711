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

/// What a user of `klg-lock` builds: no development dependencies, on any system, all features.
fn built_by_users(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let root = packages(metadata)
        .into_iter()
        .find(|(_, package)| package["name"] == "klg-lock")
        .expect("the library")
        .0;
    let mut found = BTreeSet::from([root]);
    let mut left = vec![root];
    while let Some(id) = left.pop() {
        for dependency in list(&nodes[id]["deps"]) {
            let is_built = list(&dependency["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"] != "dev");
            let id = text(&dependency["pkg"]);
            if is_built && found.insert(id) {
                left.push(id);
            }
        }
    }
    found
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
    let built = built_by_users(&metadata);
    assert!(built.len() > 20, "the tree was not walked: {built:?}");
    let declared = packages
        .values()
        .find(|package| package["name"] == "klg-lock")
        .map(|package| version(text(&package["rust_version"])))
        .unwrap();
    let newer: Vec<String> = built
        .iter()
        .map(|id| packages[id])
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
