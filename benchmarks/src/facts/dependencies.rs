//! The dependency tree: how many crates the library brings, and how many of them `redis` and
//! `tokio` bring anyway.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::row;
use crate::results::Row;

/// Counts the crates that `cargo tree` lists.
pub fn dependencies() -> Result<Vec<Row>> {
    let default = tree("klg-lock", &[])?;
    let bare = tree("klg-lock", &["--no-default-features"])?;
    let mut anyway = tree(
        "redis",
        &["--no-default-features", "--features", "tokio-comp,script"],
    )?;
    anyway.extend(tree("tokio", &[])?);
    let more = bare.difference(&anyway).count();
    Ok([
        ("crates with default features", default.len()),
        ("crates without features", bare.len()),
        ("of them not in redis and tokio", more),
    ]
    .into_iter()
    .map(|(metric, count)| row("Dependency tree", metric, "", count as f64))
    .collect())
}

/// The names and versions of a package and all it needs, on this system, without what only
/// builds need of the workspace's other members.
fn tree(package: &str, features: &[&str]) -> Result<BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../klg-lock"));
    if package == "klg-lock" {
        command.args(["--package", package]).args(features);
    } else {
        // Other versions are in the workspace as well; the library's own is what counts.
        let of_library = tree("klg-lock", &["--no-default-features"])?;
        let version = of_library
            .iter()
            .find_map(|name| name.strip_prefix(&format!("{package} v")))
            .with_context(|| format!("the library does not need {package}"))?;
        command.args(["--package", &format!("{package}@{version}")]);
    }
    let output = command.output().context("cargo tree")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo tree: {error}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?))
        })
        .collect())
}
