//! The program: measures, writes the results, prints them as a table.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail, ensure};
use klg_lock_benchmarks::cache;
use klg_lock_benchmarks::foreign::Foreign;
use klg_lock_benchmarks::machine::{description, has_program};
use klg_lock_benchmarks::plot;
use klg_lock_benchmarks::readme;
use klg_lock_benchmarks::results::{Outcome, Row, markdown, read_json, write_json};
use klg_lock_benchmarks::store;
use klg_lock_benchmarks::turns::progress;
use klg_lock_benchmarks::worker;
use klg_lock_benchmarks::workloads::{Scale, cases, faults};

const USAGE: &str = "\
cargo run --release -p klg-lock-benchmarks -- <what>

  all              every workload with every peer (about 15 minutes)
  quick            every workload with the peers in Rust (below 3 minutes)
  size             memory, allocations, dependencies: W8 to W10
  readme           writes the figures of the last `all` or `quick` to the front page
  only <name> ..   the workloads whose names begin so, such as W1; with `quick` before it: short
";

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port] => worker::serve(port),
        ["worker", subject, uris @ ..] => {
            worker::follow_parent();
            let uris: Vec<String> = uris.iter().map(|uri| (*uri).to_owned()).collect();
            if cache::NAMES.contains(subject) {
                return cache::worker::run(subject, &uris);
            }
            if store::NAMES.contains(subject) {
                return store::run(subject, &uris);
            }
            worker::run(subject, &uris)
        }
        ["readme"] => front_page(),
        ["all"] => measure(Scale::All, &[]),
        ["quick"] => measure(Scale::Quick, &[]),
        ["size"] => measure(Scale::All, &["size"]),
        ["only", names @ ..] => measure(Scale::All, names),
        ["quick", "only", names @ ..] => measure(Scale::Quick, names),
        _ => {
            print!("{USAGE}");
            Ok(())
        }
    }
}

/// A workload to be measured.
type Run = Box<dyn FnOnce() -> Result<Outcome>>;

fn measure(scale: Scale, names: &[&str]) -> Result<()> {
    if !has_program("redis-server") && std::env::var_os("REDIS_SERVER").is_none() {
        bail!("redis-server is not installed");
    }
    let chosen = |workload: &str| {
        names.is_empty()
            || names
                .iter()
                .any(|name| workload.split(' ').next() == Some(name))
    };
    let foreign = match scale {
        Scale::All => Foreign::install(),
        Scale::Quick => Foreign::default(),
    };
    let mut runs: Vec<(String, Run)> = Vec::new();
    for case in cases(scale, &foreign) {
        runs.push((case.workload.clone(), Box::new(move || case.run())));
    }
    for case in faults(scale, &foreign) {
        runs.push((case.workload().to_owned(), Box::new(move || case.run())));
    }
    for case in cache::cases(scale, &foreign) {
        runs.push((case.workload.clone(), Box::new(move || case.run())));
    }
    for case in cache::outages(scale, &foreign) {
        runs.push((case.workload().to_owned(), Box::new(move || case.run())));
    }
    for case in store::cases(scale) {
        runs.push((case.workload(), Box::new(move || case.run())));
    }
    runs.retain(|(workload, _)| chosen(workload));
    let mut outcomes: Vec<Outcome> = Vec::new();
    let count = runs.len();
    for (number, (workload, run)) in (1..).zip(runs) {
        progress(&format!("[{number}/{count}] "));
        match run() {
            Ok(outcome) => outcomes.push(outcome),
            // What the others have shown is not lost for it.
            Err(error) => progress(&format!("\n  {workload} is left out: {error:#}\n")),
        }
    }
    let mut rows: Vec<_> = outcomes.iter().flat_map(Outcome::rows).collect();
    if chosen("size") {
        rows.extend(sizes(scale)?);
    }
    println!("{}\n{}", description(), markdown(&rows));
    if names.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        write_json(&rows, &folder.join("results.json"))?;
        std::fs::write(
            folder.join("measured.txt"),
            format!("{}\n", measured(scale)),
        )?;
        plot::draw(&outcomes, &folder.join("plots"))?;
    }
    Ok(())
}

/// When, where and by which command.
fn measured(scale: Scale) -> String {
    let what = match scale {
        Scale::All => "all",
        Scale::Quick => "quick",
    };
    let command = format!(
        "cargo run --release -p {} -- {what}",
        env!("CARGO_PKG_NAME")
    );
    format!("{}, by `{command}`", description())
}

fn front_page() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = read_json(&folder.join("results.json"))?;
    let measured = std::fs::read_to_string(folder.join("measured.txt"))?;
    let page = folder.join("../README.md");
    readme::write(&rows, measured.trim(), &page, &folder.join("RESULTS.md"))
}

/// Runs the program whose allocator counts; it is built when it is needed.
fn sizes(scale: Scale) -> Result<Vec<Row>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "run",
            "--release",
            "--quiet",
            "--package",
            env!("CARGO_PKG_NAME"),
        ])
        .args(["--bin", "klg-lock-sizes", "--"])
        .args((scale == Scale::Quick).then_some("quick"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "klg-lock-sizes: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}
