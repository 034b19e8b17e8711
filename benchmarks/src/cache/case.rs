//! One workload of caches on one server: all subjects, round by round in turn.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::CacheOrder;
use super::source::Source;
use crate::machine::Pinning;
use crate::order::monotonic;
use crate::process::{Driver, Worker};
use crate::results::{Outcome, Sample};
use crate::server::Server;
use crate::turns::{in_turn, progress};
use crate::{Histogram, Report};

/// What the subjects do.
#[derive(Clone, Copy, Debug)]
pub enum CacheLoad {
    /// Hits, one key for each task; so many for each look at the clock.
    Hits {
        /// How many tasks.
        tasks: u32,
        /// How many hits are measured together.
        batch: u32,
    },
    /// A new key each time.
    Misses,
    /// Callers of a cold key, in each of four processes.
    Stampede {
        /// How many.
        callers: u32,
        /// How long a load takes.
        load: Duration,
    },
    /// A hot key that expires.
    Hot {
        /// How many tasks read it.
        tasks: u32,
        /// How long a value is good.
        ttl: Duration,
        /// How long a load takes.
        load: Duration,
    },
    /// Reads and writes, checked.
    Mix {
        /// How many processes.
        processes: u32,
        /// How many tasks in each.
        tasks: u32,
        /// How many keys.
        keys: u32,
        /// Writes in a hundred calls.
        writes: u32,
        /// How long a load takes at most.
        load: Duration,
    },
    /// One process changes a value, another one has it in its memory.
    Seen {
        /// How often, in each round.
        times: u32,
    },
}

impl CacheLoad {
    /// How many processes it takes.
    #[must_use]
    pub fn processes(self) -> u32 {
        match self {
            Self::Hits { .. } | Self::Misses | Self::Hot { .. } => 1,
            Self::Stampede { .. } => 4,
            Self::Mix { processes, .. } => processes,
            Self::Seen { .. } => 2,
        }
    }
}

/// One workload and who takes part.
#[derive(Clone, Debug)]
pub struct CacheCase {
    /// Its name in the results.
    pub workload: String,
    /// Where everything runs.
    pub pinning: Pinning,
    /// What the subjects do.
    pub load: CacheLoad,
    /// How many rounds count.
    pub rounds: u32,
    /// For how long each round goes.
    pub window: Duration,
    /// Who takes part.
    pub drivers: Vec<Driver>,
    /// Whom the ratios refer to.
    pub reference: &'static str,
}

/// One subject of a case at work.
struct Entrant {
    driver: Driver,
    workers: Vec<Worker>,
    key: String,
    samples: Vec<Sample>,
    times: Histogram,
}

/// What a round has shown, and of how many calls.
type Round = (Sample, u64, Histogram);

impl CacheCase {
    /// Measures. A subject that fails is left out, and the line that says why is printed.
    pub fn run(&self) -> Result<Outcome> {
        progress(&format!("{}:", self.workload));
        let server = Server::start(self.pinning)?;
        let mut entrants = Vec::new();
        for driver in &self.drivers {
            match self.enter(driver, &server) {
                Ok(entrant) => entrants.push(entrant),
                Err(error) => progress(&format!("\n  {} is left out: {error:#}\n", driver.name)),
            }
        }
        in_turn(
            self.rounds,
            &mut entrants,
            |entrant| entrant.driver.name.clone(),
            |entrant, round| {
                let (sample, times) = self.round(entrant, &server, round)?;
                // The first round warms up: connections, scripts, the clock of the processor.
                if round > 0 {
                    entrant.samples.push(sample);
                    entrant.times.merge(&times);
                }
                Ok(())
            },
        );
        Ok(Outcome {
            workload: self.workload.clone(),
            nodes: 1,
            processes: self.load.processes(),
            reference: self.reference.to_owned(),
            subjects: entrants
                .into_iter()
                .map(|entrant| (entrant.driver.name, entrant.samples, entrant.times))
                .collect(),
        })
    }

    fn enter(&self, driver: &Driver, server: &Server) -> Result<Entrant> {
        let workers = (0..self.load.processes())
            .map(|_| Worker::start(driver, self.pinning, &[server.uri()]))
            .collect::<Result<Vec<_>>>()?;
        Ok(Entrant {
            driver: driver.clone(),
            workers,
            key: driver.name.replace(' ', "-"),
            samples: Vec::new(),
            times: Histogram::default(),
        })
    }

    /// One round of one subject, with what it has cost client and server.
    fn round(
        &self,
        entrant: &mut Entrant,
        server: &Server,
        round: u32,
    ) -> Result<(Sample, Histogram)> {
        let cost = |entrant: &Entrant| -> [f64; 2] {
            let clients: u64 = entrant.workers.iter().map(Worker::processor_time).sum();
            [clients as f64 / 1e3, server.processor_time() as f64 / 1e3]
        };
        let key = format!("{}:{round}", entrant.key);
        let before = cost(entrant);
        let (mut sample, calls, times) = match self.load {
            CacheLoad::Hits { tasks, batch } => self.hits(entrant, tasks, batch)?,
            CacheLoad::Misses => self.misses(entrant, key)?,
            CacheLoad::Stampede { callers, load } => stampede(entrant, key, callers, load)?,
            CacheLoad::Hot { tasks, ttl, load } => self.hot(entrant, &key, tasks, ttl, load)?,
            CacheLoad::Mix { .. } => self.mix(entrant, key)?,
            CacheLoad::Seen { times } => seen(entrant, &key, times)?,
        };
        if !matches!(self.load, CacheLoad::Seen { .. }) {
            let names = [("client CPU per call", "µs"), ("server CPU per call", "µs")];
            for ((name, before), after) in names.into_iter().zip(before).zip(cost(entrant)) {
                sample.insert(name, (after - before) / calls.max(1) as f64);
            }
        }
        Ok((sample, times))
    }

    fn hits(&self, entrant: &mut Entrant, tasks: u32, batch: u32) -> Result<Round> {
        let order = CacheOrder::Hits {
            tasks,
            batch,
            millis: millis(self.window)?,
            key: entrant.key.clone(),
        };
        let report = self.ask(entrant, &order)?;
        let calls: u64 = report.counts.iter().sum();
        let mut sample =
            Sample::from([(("hits", "/s"), calls as f64 / report.elapsed as f64 * 1e9)]);
        if tasks == 1 {
            sample.insert(("hit, p50", "µs"), report.times.quantile(0.5) / 1e3);
        }
        sample.insert(("hit, p99", "µs"), report.times.quantile(0.99) / 1e3);
        Ok((sample, calls, report.times))
    }

    fn misses(&self, entrant: &mut Entrant, key: String) -> Result<Round> {
        let order = CacheOrder::Misses {
            millis: millis(self.window)?,
            key,
        };
        let report = self.ask(entrant, &order)?;
        let sample = Sample::from([
            (("miss, p50", "µs"), report.times.quantile(0.5) / 1e3),
            (("miss, p99", "µs"), report.times.quantile(0.99) / 1e3),
        ]);
        Ok((sample, report.total, report.times))
    }

    /// First a key that does not expire, as a measure of what a hit is under the same load.
    fn hot(
        &self,
        entrant: &mut Entrant,
        key: &str,
        tasks: u32,
        ttl: Duration,
        load: Duration,
    ) -> Result<Round> {
        let order = |kind: &str, ttl: Duration, time: Duration| -> Result<CacheOrder> {
            Ok(CacheOrder::Hot {
                tasks,
                millis: millis(time)?,
                ttl_millis: millis(ttl)?,
                load_micros: u64::try_from(load.as_micros())?,
                key: format!("{key}:{kind}"),
            })
        };
        let calm = order("calm", Duration::from_secs(60), self.window / 3)?;
        let calm = self.ask(entrant, &calm)?;
        let report = self.ask(entrant, &order("hot", ttl, self.window)?)?;
        let (hit, worst) = (calm.times.quantile(0.999), report.times.quantile(0.999));
        let expiries = self.window.as_secs_f64() / ttl.as_secs_f64();
        let sample = Sample::from([
            (("without expiry, p99.9", "ms"), hit / 1e6),
            (("p50", "ms"), report.times.quantile(0.5) / 1e6),
            (("p99.9", "ms"), worst / 1e6),
            (("p99.9 ÷ without expiry", ""), worst / hit),
            (("longest", "ms"), report.longest as f64 / 1e6),
            (
                ("loads for each expiry", ""),
                report.loads as f64 / expiries,
            ),
        ]);
        Ok((sample, report.total + calm.total, report.times))
    }

    fn mix(&self, entrant: &mut Entrant, key: String) -> Result<Round> {
        let source = MixSource::make(self.load)?;
        let orders = mix_orders(self.load, &source.0, &key, self.window)?;
        let mut all = Report::default();
        for (worker, order) in entrant.workers.iter_mut().zip(&orders) {
            worker.say(order)?;
        }
        for worker in &entrant.workers {
            all.merge(worker.hear(self.window + Duration::from_secs(20))?);
        }
        check(&all, &entrant.driver)?;
        let sample = mix_sample(&all, self.window);
        Ok((sample, all.total, all.times))
    }

    fn ask(&self, entrant: &mut Entrant, order: &CacheOrder) -> Result<Report> {
        let worker = entrant.workers.first_mut().context("no worker")?;
        let report = worker.ask(order, self.window + Duration::from_secs(20))?;
        check(&report, &entrant.driver)?;
        Ok(report)
    }
}

/// The file of a mix's source; removed when it is dropped.
pub(super) struct MixSource(pub(super) PathBuf);

impl MixSource {
    pub(super) fn make(load: CacheLoad) -> Result<Self> {
        let keys = match load {
            CacheLoad::Mix { keys, .. } => keys,
            _ => 1,
        };
        Source::make(keys).map(Self)
    }
}

impl Drop for MixSource {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One order for each process.
pub(super) fn mix_orders(
    load: CacheLoad,
    source: &std::path::Path,
    key: &str,
    window: Duration,
) -> Result<Vec<CacheOrder>> {
    let CacheLoad::Mix {
        processes,
        tasks,
        keys,
        writes,
        load,
    } = load
    else {
        bail!("no mix")
    };
    // Time for the order to reach all processes, and for them to make their tables.
    let start = monotonic() + 50_000_000;
    (0..processes)
        .map(|process| {
            Ok(CacheOrder::Mix {
                tasks,
                keys,
                writes,
                load_micros: u64::try_from(load.as_micros())?,
                start,
                millis: millis(window)?,
                source: source.to_owned(),
                key: key.to_owned(),
                first: process * tasks,
                all: processes * tasks,
            })
        })
        .collect()
}

pub(super) fn mix_sample(all: &Report, window: Duration) -> Sample {
    let reads = all.total as f64;
    Sample::from([
        (("reads", "/s"), reads / window.as_secs_f64()),
        (("read, p50", "µs"), all.times.quantile(0.5) / 1e3),
        (("read, p99", "µs"), all.times.quantile(0.99) / 1e3),
        (("hit rate", "%"), (1.0 - all.loads as f64 / reads) * 100.0),
        (("stale answers", ""), all.violations as f64),
    ])
}

/// All callers of all processes at once.
fn stampede(entrant: &mut Entrant, key: String, callers: u32, load: Duration) -> Result<Round> {
    let start = monotonic() + 50_000_000;
    let order = CacheOrder::Stampede {
        callers,
        start,
        load_micros: u64::try_from(load.as_micros())?,
        key,
    };
    for worker in &mut entrant.workers {
        worker.say(&order)?;
    }
    let mut all = Report::default();
    for worker in &entrant.workers {
        all.merge(worker.hear(Duration::from_secs(20))?);
    }
    check(&all, &entrant.driver)?;
    let sample = Sample::from([
        (("loads", ""), all.loads as f64),
        (("last answer after", "ms"), all.longest as f64 / 1e6),
        (("answer, p50", "ms"), all.times.quantile(0.5) / 1e6),
    ]);
    Ok((sample, all.total, all.times))
}

/// One changes, the other one sees it, again and again.
fn seen(entrant: &mut Entrant, key: &str, times: u32) -> Result<Round> {
    let patience = Duration::from_secs(10);
    let source = MixSource::make(CacheLoad::Seen { times })?;
    let [writer, reader] = entrant.workers.as_mut_slice() else {
        bail!("a change is between two")
    };
    let mut waits = Histogram::default();
    for version in 1..=u64::from(times) {
        reader.say(&CacheOrder::See {
            source: source.0.clone(),
            key: key.to_owned(),
            version,
        })?;
        ensure!(reader.hear(patience)?.early, "it did not read");
        let change = CacheOrder::Change {
            source: source.0.clone(),
            key: key.to_owned(),
        };
        let changed = writer.ask(&change, patience)?.at;
        let seen = reader.hear(patience)?.at;
        ensure!(seen >= changed, "seen before it was changed");
        waits.add(seen - changed);
    }
    let sample = Sample::from([
        (("seen after, p50", "ms"), waits.quantile(0.5) / 1e6),
        (("seen after, p99", "ms"), waits.quantile(0.99) / 1e6),
    ]);
    Ok((sample, u64::from(times), waits))
}

/// What makes a round worthless. That calls fail, or answers are stale, is a peer's result, but not
/// ours.
pub(super) fn check(report: &Report, driver: &Driver) -> Result<()> {
    let first = report.errors.first().map_or("", String::as_str);
    ensure!(report.total > 0, "nobody got an answer: {first}");
    if driver.is_ours() {
        ensure!(report.errors.is_empty(), "a call failed: {first}");
        let stale = report.violations;
        ensure!(stale == 0, "{stale} answers were stale");
    }
    Ok(())
}

pub(super) fn millis(time: Duration) -> Result<u64> {
    Ok(u64::try_from(time.as_millis())?)
}
