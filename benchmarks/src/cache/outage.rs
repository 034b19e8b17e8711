//! C7: the server hangs in the middle of a mix, and goes on after a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::case::{CacheLoad, MixSource, mix_orders};
use crate::machine::Pinning;
use crate::process::{Driver, Worker};
use crate::results::{Outcome, Sample};
use crate::turns::progress;
use crate::{Histogram, Report, Server};

/// Whoever has not answered every call by then blocks.
const PATIENCE: Duration = Duration::from_secs(6);
/// When the breaker has had time to notice.
const FIRST: Duration = Duration::from_millis(800);
const LATER: Duration = Duration::from_millis(1600);
const HEALTHY: Duration = Duration::from_millis(500);

/// The outage and who has to live with it.
#[derive(Clone, Debug)]
pub struct OutageCase {
    /// How often, each time with a new server.
    pub rounds: u32,
    /// Who takes part.
    pub drivers: Vec<Driver>,
}

impl OutageCase {
    /// Its name in the results.
    #[must_use]
    pub fn workload(&self) -> &'static str {
        "C7 the server hangs for 2.4 s"
    }

    /// Measures.
    pub fn run(&self) -> Result<Outcome> {
        progress(&format!("{}:", self.workload()));
        let begun = Instant::now();
        let mut subjects: Vec<_> = self
            .drivers
            .iter()
            .map(|driver| (driver.name.clone(), Vec::new(), Histogram::default()))
            .collect();
        for round in 1..=self.rounds {
            progress(&format!(" {round}"));
            for (driver, (name, samples, _)) in self.drivers.iter().zip(&mut subjects) {
                match round_of(driver) {
                    Ok(sample) => samples.push(sample),
                    Err(error) => progress(&format!("\n  {name} is left out: {error:#}\n")),
                }
            }
        }
        progress(&format!(" ({:.0} s)\n", begun.elapsed().as_secs_f64()));
        Ok(Outcome {
            workload: self.workload().to_owned(),
            nodes: 1,
            processes: 1,
            subjects,
            reference: "raw GET".to_owned(),
        })
    }
}

fn round_of(driver: &Driver) -> Result<Sample> {
    let server = Server::start(Pinning::TwoCores)?;
    let mut worker = Worker::start(driver, Pinning::TwoCores, &[server.uri()])?;
    // Loads take no time: what is measured is what the cache adds to them.
    let load = CacheLoad::Mix {
        processes: 1,
        tasks: 16,
        keys: 1000,
        writes: 0,
        load: Duration::ZERO,
    };
    let source = MixSource::make(load)?;
    let mut ask = |window: Duration| -> Result<Report> {
        let orders = mix_orders(load, &source.0, "outage", window)?;
        let order = orders.first().context("no order")?;
        worker.ask(order, window + PATIENCE)
    };
    ask(HEALTHY)?;
    let before = ask(HEALTHY)?;
    server.pause();
    let first = ask(FIRST);
    let later = match &first {
        Ok(_) => ask(LATER),
        Err(_) => Err(anyhow::anyhow!("it blocks")),
    };
    server.resume();
    let mut sample = Sample::from([(("read before, p50", "ms"), before.times.quantile(0.5) / 1e6)]);
    let blocked = PATIENCE.as_secs_f64() * 1e3;
    let longest = first
        .as_ref()
        .map_or(blocked, |all| all.longest as f64 / 1e6);
    sample.insert(("longest while it hangs", "ms"), longest);
    // A task gives up after so many errors.
    let failed = first.as_ref().map_or(0, |all| all.errors.len());
    sample.insert(("calls failed, at least", ""), failed as f64);
    if let Ok(later) = &later {
        if later.total > 0 {
            let times = &later.times;
            sample.insert(("read later on, p50", "ms"), times.quantile(0.5) / 1e6);
            sample.insert(("read later on, p99", "ms"), times.quantile(0.99) / 1e6);
        }
        let reads = later.total as f64 / LATER.as_secs_f64();
        sample.insert(("reads later on", "/s"), reads);
        // Whoever noticed the outage takes a moment to notice its end.
        ask(Duration::from_millis(1500))?;
        let after = ask(HEALTHY)?;
        let median = after.times.quantile(0.5) / 1e6;
        sample.insert(("read afterwards, p50", "ms"), median);
        let hits = 1.0 - after.loads as f64 / after.total.max(1) as f64;
        sample.insert(("hit rate afterwards", "%"), hits * 100.0);
    }
    Ok(sample)
}
