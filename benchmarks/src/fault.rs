//! W7: one of five nodes hangs or dies while its connections are open.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::machine::Pinning;
use crate::process::{Driver, Worker};
use crate::results::{Outcome, Sample};
use crate::turns::progress;
use crate::{Histogram, Order, Server};

/// What becomes of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `SIGSTOP`: it takes bytes and never answers.
    Hung,
    /// `SIGKILL`: its connections are closed, new ones refused.
    Killed,
}

/// Whoever has not done with one pair by then blocks.
const PATIENCE: Duration = Duration::from_secs(5);

/// One fault and who has to live with it.
#[derive(Clone, Debug)]
pub struct FaultCase {
    /// What happens.
    pub fault: Fault,
    /// How often, each time with new servers.
    pub rounds: u32,
    /// Who takes part.
    pub drivers: Vec<Driver>,
}

impl FaultCase {
    /// Its name in the results.
    #[must_use]
    pub fn workload(&self) -> &'static str {
        match self.fault {
            Fault::Hung => "W7 one node hangs",
            Fault::Killed => "W7 one node is killed",
        }
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
                match self.round(driver) {
                    Ok(sample) => samples.push(sample),
                    Err(error) => progress(&format!("\n  {name} is left out: {error:#}\n")),
                }
            }
        }
        progress(&format!(" ({:.0} s)\n", begun.elapsed().as_secs_f64()));
        Ok(Outcome {
            workload: self.workload().to_owned(),
            nodes: 5,
            processes: 1,
            subjects,
            reference: "raw".to_owned(),
        })
    }

    fn round(&self, driver: &Driver) -> Result<Sample> {
        let mut servers = (0..5)
            .map(|_| Server::start(Pinning::TwoCores))
            .collect::<Result<Vec<_>>>()?;
        let uris: Vec<String> = servers.iter().map(Server::uri).collect();
        let mut worker = Worker::start(driver, Pinning::TwoCores, &uris)?;
        let order = |pairs, millis| Order::Own {
            tasks: 1,
            pairs,
            millis,
            key: driver.name.replace(' ', "-"),
        };
        worker.ask(&order(100_000, 200), PATIENCE)?;
        let healthy = worker.ask(&order(100_000, 400), PATIENCE)?;
        // The first node: whoever asks one after the other meets it first.
        let victim = servers.first_mut().context("no server")?;
        match self.fault {
            Fault::Hung => victim.pause(),
            Fault::Killed => victim.kill(),
        }
        let after = worker.ask(&order(2_000, 2_000), PATIENCE);
        drop(worker);
        if self.fault == Fault::Hung {
            victim.resume();
        }
        let before = healthy.times.quantile(0.5) / 1e6;
        let mut sample = Sample::from([(("pair before, p50", "ms"), before)]);
        let Ok(after) = after else {
            // No answer at all: the first pair has taken at least this long.
            sample.insert(("first pair after", "ms"), PATIENCE.as_secs_f64() * 1e3);
            sample.insert(("longest after", "ms"), PATIENCE.as_secs_f64() * 1e3);
            return Ok(sample);
        };
        let median = after.times.quantile(0.5) / 1e6;
        sample.insert(("pair after, p50", "ms"), median);
        sample.insert(("after ÷ before", ""), median / before);
        sample.insert(("first pair after", "ms"), after.first as f64 / 1e6);
        sample.insert(("longest after", "ms"), after.longest as f64 / 1e6);
        let failed = after.errors.len() as f64 / after.total.max(1) as f64;
        sample.insert(("pairs failed", "%"), failed * 100.0);
        Ok(sample)
    }
}
