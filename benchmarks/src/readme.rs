//! The figures on the front page: written between two marks from `results.json`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::results::{Row, markdown, readable};

const BEGIN: &str = "<!-- benchmarks -->";
const END: &str = "<!-- /benchmarks -->";

/// One line of a table: a workload, and the metric that tells most of it.
struct Line {
    /// As readers call it.
    text: &'static str,
    /// How the workload's name begins, and its nodes.
    workload: (&'static str, usize),
    metric: &'static str,
}

/// A table: its columns by the subjects in them, the first that is there.
struct Table {
    columns: &'static [(&'static str, &'static [&'static str])],
    lines: &'static [Line],
}

const fn line(text: &'static str, workload: (&'static str, usize), metric: &'static str) -> Line {
    Line {
        text,
        workload,
        metric,
    }
}

const LOCKS: Table = Table {
    columns: &[
        ("klg-lock", &["klg-lock"]),
        ("– released each time", &["klg-lock strict"]),
        ("by hand", &["raw"]),
        ("rslock", &["rslock"]),
        ("distributed-lock", &["distributed-lock"]),
        ("node-redlock 5", &["node-redlock 5"]),
        ("redis-py", &["redis-py"]),
        ("limit", &["BLPOP", "bare TCP"]),
    ],
    lines: &[
        line(
            "acquire and release",
            ("W1 in sequence, one core", 1),
            "pair, p50",
        ),
        line(
            "the same, 5 nodes",
            ("W1 in sequence, two cores", 5),
            "pair, p50",
        ),
        line("64 tasks, 64 keys", ("W2", 1), "pairs"),
        line("the same, 5 nodes", ("W2", 5), "pairs"),
        line("32 tasks want one key", ("W3 ", 1), "locks"),
        line("– longest 1 % of the waits", ("W3 ", 1), "wait, p99"),
        line("32 tasks, each 1 ms inside", ("W3h", 1), "locks"),
        line("– longest 1 % of the waits", ("W3h", 1), "wait, p99"),
        line("4 processes × 8 tasks want one key", ("W4 ", 1), "locks"),
        line("– longest 1 % of the waits", ("W4 ", 1), "wait, p99"),
        line("the same, 5 nodes", ("W4 ", 5), "locks"),
        line("– longest 1 % of the waits", ("W4 ", 5), "wait, p99"),
        line(
            "commands for a lock that 16 processes want",
            ("W4p one key, 16", 1),
            "commands per lock",
        ),
        line(
            "release in one process → acquired in another",
            ("W5", 1),
            "hand-off, p50",
        ),
        line(
            "one of 5 nodes hangs: longest pair",
            ("W7 one node hangs", 5),
            "longest after",
        ),
    ],
};

const CACHE: Table = Table {
    columns: &[
        ("klg-lock", &["klg-lock L2", "klg-lock L1"]),
        ("by hand", &["raw GET", "moka"]),
        ("cached", &["cached on Redis", "cached in memory"]),
        ("bentocache", &["bentocache L2", "bentocache L1"]),
    ],
    lines: &[
        line(
            "hit in the process (by hand: `moka`)",
            ("C1", 1),
            "hit, p50",
        ),
        line(
            "hit on the server (by hand: `GET` of as many bytes)",
            ("C2 hit on the server, one", 1),
            "hit, p50",
        ),
        line(
            "the same, 64 tasks",
            ("C2 hit on the server, 64", 1),
            "hits",
        ),
        line("miss", ("C3", 1), "miss, p50"),
        line("cold key, 4 × 250 callers: loads", ("C4", 1), "loads"),
        line(
            "– last answer, of a load of 50 ms",
            ("C4", 1),
            "last answer after",
        ),
        line(
            "hot key that expires twice a second: p99.9",
            ("C5", 1),
            "p99.9",
        ),
        line("100,000 keys, 10 % writes", ("C6", 1), "reads"),
        line("– hit rate", ("C6", 1), "hit rate"),
        line(
            "the server hangs: longest read",
            ("C7", 1),
            "longest while it hangs",
        ),
        line(
            "– reads after a second of that, p50",
            ("C7", 1),
            "read later on, p50",
        ),
        line(
            "change seen in another process's memory, p50",
            ("C8", 1),
            "seen after, p50",
        ),
        line(
            "writers against slow loads: stale answers",
            ("C9", 1),
            "stale answers",
        ),
    ],
};

const STORE: Table = Table {
    columns: &[
        ("klg-lock", &["klg-lock store"]),
        ("by hand, TCP_NODELAY", &["raw GET, SET with TCP_NODELAY"]),
        ("by hand", &["raw GET, SET"]),
    ],
    lines: &[
        line("set and get", ("S1 set and get, 1 task", 1), "pairs"),
        line("64 tasks", ("S1 set and get, 64", 1), "pairs"),
        line("1,000 tasks", ("S1 set and get, 1000", 1), "pairs"),
        line(
            "a server that restarts: first success after its return",
            ("S2", 1),
            "back to first success",
        ),
    ],
};

/// Writes the figures into the page, between the marks, and all tables into the other one.
pub fn write(rows: &[Row], measured: &str, page: &Path, all: &Path) -> Result<()> {
    let text = std::fs::read_to_string(page)?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no mark")?;
    let (_, after) = rest
        .split_once(END)
        .context("the page has no second mark")?;
    let figures = figures(rows, measured);
    std::fs::write(page, format!("{before}{BEGIN}\n{figures}{END}{after}"))?;
    let tables = markdown(rows);
    std::fs::write(
        all,
        format!(
            "# All figures\n\nMeasured {measured}. The median of all rounds; in brackets the median of each round's \
             ratio to `raw`, or what comes closest to it.\n{tables}"
        ),
    )?;
    Ok(())
}

fn figures(rows: &[Row], measured: &str) -> String {
    let mut text = format!("Measured {measured}.\n");
    table(&mut text, rows, &LOCKS);
    text.push_str(
        "\n`by hand` is the `redis` crate with `SET NX PX`, a compare-and-delete script and random \
         pauses; the limit is a token in a list (`BLPOP`), or bare TCP where there is nothing to wait for. `klg-lock` \
         hands a lock over inside the process, with a fresh fencing token, before it goes back to the server; \
         `handover(0, ..)` releases it each time. A nominal millisecond is 2.1 ms by tokio's timer, and 1.1 ms by \
         those of Node and Python.\n\n\
         ![Locks per second under contention](benchmarks/plots/throughput.svg)\n\n\
         ![How long a lock is waited for](benchmarks/plots/wait-latency.svg)\n\n\
         ![Commands for each lock by the number of processes](benchmarks/plots/commands-per-lock.svg)\n",
    );
    text.push_str(&with_nodelay(rows));
    table(&mut text, rows, &CACHE);
    table(&mut text, rows, &STORE);
    text.push_str(
        "\nThe store sets `TCP_NODELAY`, so that no command waits for the answer to another; the `redis` \
         crate does not, which lets the kernel put commands together where many tasks are at work.\n",
    );
    text.push_str(
        "\n[All figures](benchmarks/RESULTS.md), [as JSON](benchmarks/results.json), and \
         [how they are measured](benchmarks/src/lib.rs).\n",
    );
    text
}

/// What `by hand` does with the setting of our own connections, where that makes a difference.
fn with_nodelay(rows: &[Row]) -> String {
    let parallel = rows.iter().find(|row| {
        row.workload.starts_with("W2")
            && row.nodes == 1
            && row.metric == "pairs"
            && row.subject == "raw with TCP_NODELAY"
    });
    parallel.map_or_else(String::new, |row| {
        format!(
            "\nThe lock connections set `TCP_NODELAY`, so that no request waits for the answer to another. `By hand` \
             with that setting: {} a second for 64 tasks on 64 keys.\n",
            readable(row.value)
        )
    })
}

/// Lines and columns that have no figure at all are left out.
fn table(text: &mut String, rows: &[Row], table: &Table) {
    let find = |line: &Line, subjects: &[&str]| {
        subjects.iter().find_map(|subject| {
            rows.iter().find(|row| {
                row.workload.starts_with(line.workload.0)
                    && row.nodes == line.workload.1
                    && row.metric == line.metric
                    && row.subject == *subject
            })
        })
    };
    let columns: Vec<_> = table
        .columns
        .iter()
        .filter(|(_, subjects)| {
            table
                .lines
                .iter()
                .any(|line| find(line, subjects).is_some())
        })
        .collect();
    if columns.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = write!(text, "\n| |");
    for (name, _) in &columns {
        let _ = write!(text, " {name} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(columns.len()));
    for line in table.lines {
        let cells: Vec<_> = columns.iter().map(|(_, all)| find(line, all)).collect();
        let Some(unit) = cells.iter().flatten().map(|row| &row.unit).next() else {
            continue;
        };
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(", {unit}")
        };
        let _ = write!(text, "| {}{unit} |", line.text);
        for cell in cells {
            let cell = cell.map_or("–".to_owned(), |row| readable(row.value));
            let _ = write!(text, " {cell} |");
        }
        let _ = writeln!(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(subject: &str, value: f64) -> Row {
        Row {
            workload: "W2 64 tasks, 64 keys".to_owned(),
            subject: subject.to_owned(),
            nodes: 1,
            metric: "pairs".to_owned(),
            unit: "/s".to_owned(),
            value,
            ratio: None,
        }
    }

    #[test]
    fn only_what_was_measured_is_shown() {
        let rows = [row("klg-lock", 90_000.0), row("raw", 77_500.0)];
        let mut text = String::new();
        table(&mut text, &rows, &LOCKS);
        assert_eq!(
            text,
            "\n| | klg-lock | by hand |\n|---|---:|---:|\n| 64 tasks, 64 keys, /s | 90,000 | 77,500 |\n"
        );
    }

    #[test]
    fn the_rest_of_the_page_stays() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("klg-lock-readme-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (page, all) = (folder.join("README.md"), folder.join("RESULTS.md"));
        std::fs::write(&page, format!("above\n{BEGIN}\nold\n{END}\nbelow\n"))?;
        write(&[row("klg-lock", 1.0)], "today", &page, &all)?;
        let text = std::fs::read_to_string(&page)?;
        std::fs::remove_dir_all(&folder)?;
        assert!(
            text.starts_with("above\n") && text.ends_with("\nbelow\n"),
            "{text}"
        );
        assert!(
            text.contains("Measured today.") && !text.contains("old"),
            "{text}"
        );
        Ok(())
    }
}
