//! One workload on one set of servers: all subjects, round by round in turn.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{Pinning, shared_memory};
use crate::monitor::Monitor;
use crate::order::monotonic;
use crate::process::{Driver, Worker};
use crate::results::{Outcome, Sample};
use crate::server::Server;
use crate::turns::{in_turn, progress};
use crate::{Ground, Histogram, Order, Report};

/// What the subjects do.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// Tasks with a key each.
    Own {
        /// How many tasks.
        tasks: u32,
    },
    /// Tasks that want one key.
    One {
        /// How many processes.
        processes: u32,
        /// How many tasks in each.
        tasks: u32,
        /// For how long a holder keeps the lock.
        hold: Duration,
    },
    /// A holder and one who waits, in two processes.
    HandOff {
        /// For how long the holder keeps the lock.
        hold: Duration,
        /// How often, in each round.
        times: u32,
    },
}

impl Load {
    /// How many processes it takes.
    #[must_use]
    pub fn processes(self) -> u32 {
        match self {
            Self::Own { .. } => 1,
            Self::One { processes, .. } => processes,
            Self::HandOff { .. } => 2,
        }
    }
}

/// One workload and who takes part.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the results.
    pub workload: String,
    /// How many nodes vote.
    pub nodes: usize,
    /// Where everything runs.
    pub pinning: Pinning,
    /// What the subjects do.
    pub load: Load,
    /// How many rounds count.
    pub rounds: u32,
    /// For how long each round goes.
    pub window: Duration,
    /// Who takes part; the ratios refer to `reference`, where it does.
    pub drivers: Vec<Driver>,
    /// Whom the ratios refer to.
    pub reference: &'static str,
}

/// One subject of a case at work.
struct Entrant {
    driver: Driver,
    workers: Vec<Worker>,
    key: String,
    /// Commands for each lock, once they have been counted.
    commands: Option<f64>,
    samples: Vec<Sample>,
    waits: Histogram,
}

impl Case {
    /// Measures. A subject that fails is left out, and the line that says why is printed.
    pub fn run(&self) -> Result<Outcome> {
        progress(&format!("{}, {} nodes:", self.workload, self.nodes));
        let servers = (0..self.nodes)
            .map(|_| Server::start(self.pinning))
            .collect::<Result<Vec<_>>>()?;
        let uris: Vec<String> = servers.iter().map(Server::uri).collect();
        let mut entrants = Vec::new();
        for driver in &self.drivers {
            match self.enter(driver, &uris, &servers) {
                Ok(entrant) => entrants.push(entrant),
                Err(error) => progress(&format!("\n  {} is left out: {error:#}\n", driver.name)),
            }
        }
        in_turn(
            self.rounds,
            &mut entrants,
            |entrant| entrant.driver.name.clone(),
            |entrant, round| {
                let (sample, waits) = self.round(entrant, &servers)?;
                // The first round warms up: connections, scripts, the clock of the processor.
                if round > 0 {
                    entrant.samples.push(sample);
                    entrant.waits.merge(&waits);
                }
                Ok(())
            },
        );
        Ok(Outcome {
            workload: self.workload.clone(),
            nodes: self.nodes,
            processes: self.load.processes(),
            reference: self.reference.to_owned(),
            subjects: entrants
                .into_iter()
                .map(|entrant| (entrant.driver.name, entrant.samples, entrant.waits))
                .collect(),
        })
    }

    fn enter(&self, driver: &Driver, uris: &[String], servers: &[Server]) -> Result<Entrant> {
        let workers = (0..self.load.processes())
            .map(|_| Worker::start(driver, self.pinning, uris))
            .collect::<Result<Vec<_>>>()?;
        let key = driver.name.replace(' ', "-");
        if driver.name == "BLPOP" {
            for server in servers {
                let () = server.ask(&["LPUSH", &key, "token"])?;
            }
        }
        Ok(Entrant {
            driver: driver.clone(),
            workers,
            key,
            commands: None,
            samples: Vec::new(),
            waits: Histogram::default(),
        })
    }

    /// One round of one subject, with what it has cost client and server.
    fn round(&self, entrant: &mut Entrant, servers: &[Server]) -> Result<(Sample, Histogram)> {
        let cost = |entrant: &Entrant| -> [f64; 2] {
            let clients: u64 = entrant.workers.iter().map(Worker::processor_time).sum();
            let servers: u64 = servers.iter().map(Server::processor_time).sum();
            [clients as f64 / 1e3, servers as f64 / 1e3]
        };
        // Whoever watches a server slows it down: only the first round is counted, and only the
        // others are timed.
        let monitors = entrant.commands.is_none().then(|| {
            let begun: Result<Vec<Monitor>> = servers.iter().map(Server::monitor).collect();
            begun
        });
        let monitors = monitors.transpose()?;
        let before = cost(entrant);
        let (mut sample, locks, waits) = match self.load {
            Load::Own { tasks } => self.own(entrant, tasks)?,
            Load::One { tasks, hold, .. } => self.one(entrant, tasks, hold)?,
            Load::HandOff { hold, times } => hand_off(entrant, hold, times)?,
        };
        // What was released in the background is part of the price.
        thread::sleep(Duration::from_millis(20));
        let after = cost(entrant);
        if let Some(monitors) = monitors {
            let mut commands = 0;
            for monitor in monitors {
                commands += monitor.end()?;
            }
            entrant.commands = Some(commands as f64 / locks);
        }
        sample.extend(
            entrant
                .commands
                .map(|count| (("commands per lock", ""), count)),
        );
        let names = [("client CPU per lock", "µs"), ("server CPU per lock", "µs")];
        for ((name, before), after) in names.into_iter().zip(before).zip(after) {
            sample.insert(name, (after - before) / locks);
        }
        let left = leftovers(servers, &entrant.driver)?;
        sample.insert(("keys left behind", ""), left);
        Ok((sample, waits))
    }

    fn own(&self, entrant: &mut Entrant, tasks: u32) -> Result<(Sample, f64, Histogram)> {
        let order = Order::Own {
            tasks,
            pairs: 2_000_000,
            millis: millis(self.window)?,
            key: entrant.key.clone(),
        };
        let worker = entrant.workers.first_mut().context("no worker")?;
        let report = worker.ask(&order, self.window + Duration::from_secs(10))?;
        check(&report, &entrant.driver)?;
        let pairs = report.total as f64;
        let mut sample = Sample::from([(("pairs", "/s"), pairs / report.elapsed as f64 * 1e9)]);
        note_errors(&mut sample, &report);
        if tasks == 1 {
            let mean = report.elapsed as f64 / pairs;
            sample.insert(("pair, mean", "µs"), mean / 1e3);
            sample.insert(("pair, p50", "µs"), report.times.quantile(0.5) / 1e3);
        }
        sample.insert(("pair, p99", "µs"), report.times.quantile(0.99) / 1e3);
        Ok((sample, pairs, report.times))
    }

    fn one(
        &self,
        entrant: &mut Entrant,
        tasks: u32,
        hold: Duration,
    ) -> Result<(Sample, f64, Histogram)> {
        let path = shared_memory("ground");
        let shared = entrant.workers.len() > 1;
        let ground = shared.then(|| Ground::make(&path)).transpose()?;
        // Time for the order to reach all processes.
        let start = monotonic() + 50_000_000;
        let mut first = 0;
        for worker in &mut entrant.workers {
            worker.say(&Order::One {
                tasks,
                start,
                millis: millis(self.window)?,
                hold_micros: u64::try_from(hold.as_micros())?,
                key: entrant.key.clone(),
                ground: shared.then(|| path.clone()),
                first,
            })?;
            first += u64::from(tasks);
        }
        let mut all = Report::default();
        for worker in &entrant.workers {
            let report = worker.hear(self.window + Duration::from_secs(30))?;
            check(&report, &entrant.driver)?;
            all.merge(report);
        }
        if let Some(ground) = ground {
            let visits = ground.visits();
            let _ = std::fs::remove_file(&path);
            ensure!(
                visits == all.total,
                "exclusion was broken: {visits} visits in {} locks",
                all.total
            );
        }
        let seconds = all.elapsed as f64 / 1e9;
        let in_time: u64 = all.counts.iter().sum();
        let mut sample = Sample::from([
            (("locks", "/s"), in_time as f64 / seconds),
            (("wait, p99", "ms"), all.times.quantile(0.99) / 1e6),
            (("wait, longest", "ms"), all.longest as f64 / 1e6),
            (("Jain index", ""), jain(&all.counts)),
            (
                ("tasks starved", ""),
                all.counts.iter().filter(|count| **count == 0).count() as f64,
            ),
        ]);
        note_errors(&mut sample, &all);
        if !hold.is_zero() {
            let held = all.held as f64 / all.total.max(1) as f64;
            sample.insert(("real hold", "ms"), held / 1e6);
            sample.insert(
                ("share of what the section allows", ""),
                in_time as f64 * held / 1e9 / seconds,
            );
        }
        Ok((sample, all.total as f64, all.times))
    }
}

/// One who holds, another who waits, again and again: release → acquired.
fn hand_off(entrant: &mut Entrant, hold: Duration, times: u32) -> Result<(Sample, f64, Histogram)> {
    let patience = Duration::from_secs(10);
    let key = entrant.key.clone();
    let [holder, waiter] = entrant.workers.as_mut_slice() else {
        bail!("a hand-off is between two")
    };
    let mut waits = Histogram::default();
    for _ in 0..times {
        let hold_micros = u64::try_from(hold.as_micros())?;
        holder.say(&Order::Hold {
            key: key.clone(),
            hold_micros,
        })?;
        ensure!(holder.hear(patience)?.early, "it did not hold");
        waiter.say(&Order::Wait { key: key.clone() })?;
        let released = holder.hear(patience)?.at;
        let acquired = waiter.hear(patience)?.at;
        ensure!(
            acquired >= released,
            "exclusion was broken: acquired before the release began"
        );
        waits.add(acquired - released);
    }
    let sample = Sample::from([
        (("hand-off, p50", "ms"), waits.quantile(0.5) / 1e6),
        (("hand-off, p99", "ms"), waits.quantile(0.99) / 1e6),
    ]);
    Ok((sample, f64::from(times * 2), waits))
}

/// What makes a round worthless. That calls fail now and then is a peer's result, but not ours.
fn check(report: &Report, driver: &Driver) -> Result<()> {
    let met = report.violations;
    ensure!(met == 0, "exclusion was broken {met} times");
    let first = report.errors.first().map_or("", String::as_str);
    let errors = u64::try_from(report.errors.len())?;
    ensure!(
        report.total > 0 && report.times.count() > errors,
        "nobody got the lock: {first}"
    );
    let may_fail = !driver.is_ours() || report.errors.is_empty();
    ensure!(may_fail, "a call failed: {first}");
    Ok(())
}

fn note_errors(sample: &mut Sample, report: &Report) {
    if !report.errors.is_empty() {
        sample.insert(("calls failed, at least", ""), report.errors.len() as f64);
    }
}

/// Counts the keys that are still there, and removes them, so that they disturb nobody. What is
/// released in the background has a moment for it.
fn leftovers(servers: &[Server], driver: &Driver) -> Result<f64> {
    for _ in 0..50 {
        let mut all = servers.iter().map(Server::keys);
        if all.all(|keys| keys.is_ok_and(|keys| keys.iter().all(|key| key == "BLPOP"))) {
            return Ok(0.0);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let mut left = 0.0;
    for server in servers {
        for key in server.keys()? {
            // The list is not a lock: its token stays.
            if driver.name == "BLPOP" || key == "BLPOP" {
                continue;
            }
            let () = server.ask(&["DEL", &key])?;
            left += 1.0;
        }
    }
    Ok(left)
}

/// 1: all got it equally often; 1/n: one got it always.
fn jain(counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().map(|count| *count as f64).sum();
    let squares: f64 = counts.iter().map(|count| (*count as f64).powi(2)).sum();
    if squares == 0.0 {
        return 0.0;
    }
    sum * sum / (counts.len() as f64 * squares)
}

fn millis(time: Duration) -> Result<u64> {
    Ok(u64::try_from(time.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jain_index_tells_fair_from_unfair() {
        assert!((jain(&[5, 5, 5, 5]) - 1.0).abs() < 1e-9);
        assert!((jain(&[20, 0, 0, 0]) - 0.25).abs() < 1e-9);
    }
}
