//! The peers in other languages: installed into a folder under `target/`, where that is possible.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::machine::has_program;
use crate::process::Driver;
use crate::turns::progress;

/// The drivers that can be had on this machine.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// node-redlock, both lines of versions.
    pub node: Vec<Driver>,
    /// redis-py.
    pub python: Vec<Driver>,
    /// bentocache, with one level and with two.
    pub caches: Vec<Driver>,
}

impl Foreign {
    /// Installs what is missing. Says which peers are left out, and why.
    #[must_use]
    pub fn install() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = package.join("../target/peers");
        Self {
            node: node(package, &folder.join("node")),
            python: python(package, &folder.join("python")),
            caches: caches(package, &folder.join("caches")),
        }
    }
}

fn node(package: &Path, folder: &Path) -> Vec<Driver> {
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--prefix"]);
    install.arg(folder).args([
        "redlock5@npm:redlock@5.0.0-beta.2",
        "redlock4@npm:redlock@4.2.0",
        "ioredis@5",
    ]);
    let here = folder.join("node_modules/redlock4").is_dir();
    if !ready("node", "node-redlock", here, folder, &mut install) {
        return Vec::new();
    }
    ["5", "4"]
        .map(|version| Driver {
            name: format!("node-redlock {version}"),
            program: Some(words([
                Path::new("node"),
                &package.join("peers/redlock.mjs"),
                folder,
                Path::new(version),
            ])),
        })
        .into()
}

fn caches(package: &Path, folder: &Path) -> Vec<Driver> {
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--prefix"]);
    install.arg(folder).args(["bentocache@1", "ioredis@5"]);
    let here = folder.join("node_modules/bentocache").is_dir();
    if !ready("node", "bentocache", here, folder, &mut install) {
        return Vec::new();
    }
    ["L1", "L2"]
        .map(|level| Driver {
            name: format!("bentocache {level}"),
            program: Some(words([
                Path::new("node"),
                &package.join("peers/bentocache.mjs"),
                folder,
                Path::new(level),
            ])),
        })
        .into()
}

fn python(package: &Path, folder: &Path) -> Vec<Driver> {
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--target"]);
    install.arg(folder).arg("redis");
    if !ready(
        "python3",
        "redis-py",
        folder.join("redis").is_dir(),
        folder,
        &mut install,
    ) {
        return Vec::new();
    }
    vec![Driver {
        name: "redis-py".to_owned(),
        program: Some(words([
            Path::new("python3"),
            &package.join("peers/redis_py.py"),
            folder,
        ])),
    }]
}

fn words<const N: usize>(parts: [&Path; N]) -> Vec<String> {
    let text = |part: &Path| part.to_string_lossy().into_owned();
    parts.map(text).into()
}

fn ready(program: &str, peer: &str, here: bool, folder: &Path, install: &mut Command) -> bool {
    if !has_program(program) {
        progress(&format!("{peer} is left out: there is no {program}\n"));
        return false;
    }
    if here {
        return true;
    }
    progress(&format!("installing {peer} into {}\n", folder.display()));
    let done = std::fs::create_dir_all(folder).and_then(|()| {
        install
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
    });
    match done {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            // What it has to say is of use only now.
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.trim();
            let status = output.status;
            progress(&format!(
                "{peer} is left out: {install:?}: {status}\n{why}\n"
            ));
            false
        }
        Err(error) => {
            progress(&format!("{peer} is left out: {install:?}: {error}\n"));
            false
        }
    }
}
