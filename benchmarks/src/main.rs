//! The program: measures, writes the results, prints them as a table.

use std::path::Path;

use anyhow::{Result, bail};
use klg_lock_benchmarks::machine::{description, has_program};
use klg_lock_benchmarks::results::{Outcome, markdown, write_json};
use klg_lock_benchmarks::worker;
use klg_lock_benchmarks::workloads::{Scale, cases};

const USAGE: &str = "\
cargo run --release -p klg-lock-benchmarks -- <what>

  all              every workload with every peer (about 15 minutes)
  quick            every workload with the peers in Rust (below 3 minutes)
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
            worker::run(subject, &uris)
        }
        ["all"] => measure(Scale::All, &[]),
        ["quick"] => measure(Scale::Quick, &[]),
        ["only", names @ ..] => measure(Scale::All, names),
        ["quick", "only", names @ ..] => measure(Scale::Quick, names),
        _ => {
            print!("{USAGE}");
            Ok(())
        }
    }
}

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
    let mut outcomes: Vec<Outcome> = Vec::new();
    for case in cases(scale) {
        if chosen(&case.workload) {
            outcomes.push(case.run()?);
        }
    }
    let rows: Vec<_> = outcomes.iter().flat_map(Outcome::rows).collect();
    println!("{}\n{}", description(), markdown(&rows));
    if names.is_empty() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        write_json(&rows, &folder.join("results.json"))?;
    }
    Ok(())
}
