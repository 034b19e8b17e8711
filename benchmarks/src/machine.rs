//! The machine: which processors may be used, and how it is described beside the figures.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

/// On which processors servers and clients run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// All on one: a round trip does not depend on where the scheduler puts whom.
    OneCore,
    /// All on the same two.
    TwoCores,
}

impl Pinning {
    /// As the figures name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneCore => "one core",
            Self::TwoCores => "two cores",
        }
    }

    /// The command that starts a program on these processors, and its first words.
    #[must_use]
    pub fn command(self, program: &str) -> Command {
        let all = allowed_cores();
        let cores: Vec<&str> = match self {
            Self::OneCore => all.iter().take(1),
            Self::TwoCores => all.iter().take(2),
        }
        .map(String::as_str)
        .collect();
        if cores.is_empty() || !has_program("taskset") {
            return Command::new(program);
        }
        let mut command = Command::new("taskset");
        command.args(["-c", &cores.join(","), program]);
        command
    }
}

/// Whether a program is there to be called.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The processors this process may use, by number.
fn allowed_cores() -> Vec<String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = field(&status, "Cpus_allowed_list").unwrap_or_default();
    list.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
        })
        .flatten()
        .map(|core| core.to_string())
        .collect()
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn output(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// One line: date, processor, system, server.
#[must_use]
pub fn description() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| field(&text, "model name"))
        .unwrap_or_else(|| "unknown processor".to_owned());
    let redis = output("redis-server", &["--version"]).unwrap_or_default();
    let redis = redis
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="));
    [
        output("date", &["-u", "+%Y-%m-%d"]),
        Some(format!(
            "2 of {} cores of {processor}",
            allowed_cores().len()
        )),
        output("uname", &["-sr"]),
        output("rustc", &["--version"]),
        redis.map(|version| format!("Redis {version} on loopback")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}

/// Where processes of one run share a file of this name: in memory, where the system has that.
#[must_use]
pub fn shared_memory(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    folder.join(format!("klg-lock-{name}-{}", std::process::id()))
}

/// The processor time that all threads of a process have had, in nanoseconds.
#[must_use]
pub fn processor_time(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Sends a signal to a process that this program has started.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}
