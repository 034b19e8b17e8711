//! A process that does what it is told: one order per line, one report per line.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::order::monotonic;
use crate::{Ground, Order, Report, Subject};

/// After so many errors a task gives up: the round is lost anyway.
pub(crate) const MOST_ERRORS: usize = 20;

/// What one task has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) times: Vec<u64>,
    pub(crate) count: u64,
    pub(crate) held: u64,
    pub(crate) violations: u64,
    pub(crate) errors: Vec<String>,
    /// The longest that anybody waited for an error.
    pub(crate) failed_after: u64,
    pub(crate) elapsed: Duration,
}

impl Seen {
    /// Whether the task asks once more.
    pub(crate) fn goes_on(&self, end: Instant) -> bool {
        self.errors.len() < MOST_ERRORS && Instant::now() < end
    }

    /// Counts an answer, or remembers the error.
    pub(crate) fn note<T>(&mut self, nanos: u64, answer: Result<T>) {
        match answer {
            Ok(_) => {
                self.times.push(nanos);
                self.count += 1;
            }
            Err(error) => {
                self.failed_after = self.failed_after.max(nanos);
                self.errors.push(format!("{error:#}"));
            }
        }
    }
}

/// Connects the subject, says so, and works until its input ends.
pub fn run(name: &str, uris: &[String]) -> Result<()> {
    // As many threads as it may use processors: what `#[tokio::main]` gives a user.
    let runtime = tokio::runtime::Runtime::new()?;
    let uris = uris.to_vec();
    let name = name.to_owned();
    // In a task, as a server's handlers are; what the main thread polls is slower for everybody.
    let subject = runtime.block_on(async {
        let connect = tokio::spawn(async move { Subject::connect(&name, &uris).await });
        connect.await?.map(Arc::new)
    })?;
    say(&Report {
        early: true,
        ..Report::default()
    })?;
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let work = work(Arc::clone(&subject), order);
        let report = runtime.block_on(async { tokio::spawn(work).await })??;
        say(&report)?;
    }
    // A blocked peer must not keep the process.
    runtime.shutdown_background();
    Ok(())
}

pub(crate) fn say(report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, report)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

async fn work(subject: Arc<Subject>, order: Order) -> Result<Report> {
    match order {
        Order::Own {
            tasks,
            pairs,
            millis,
            key,
        } => {
            let mut all = JoinSet::new();
            for task in 0..tasks {
                let (subject, key) = (Arc::clone(&subject), format!("{key}:{task}"));
                let most = Duration::from_millis(millis);
                all.spawn(async move { own(&subject, &key, pairs, most).await });
            }
            Ok(gather(all.join_all().await))
        }
        Order::One {
            tasks,
            start,
            millis,
            hold_micros,
            key,
            ground,
            first,
        } => {
            let ground = Arc::new(Ground::open(ground.as_deref())?);
            let start = Instant::now() + Duration::from_nanos(start.saturating_sub(monotonic()));
            let end = start + Duration::from_millis(millis);
            let hold = Duration::from_micros(hold_micros);
            let mut all = JoinSet::new();
            for task in 0..tasks {
                let contender = Contender {
                    subject: Arc::clone(&subject),
                    ground: Arc::clone(&ground),
                    key: key.clone(),
                    who: first + u64::from(task) + 1,
                    hold,
                };
                all.spawn(async move {
                    tokio::time::sleep_until(start.into()).await;
                    contender.contend(end).await
                });
            }
            let mut report = gather(all.join_all().await);
            report.elapsed = millis * 1_000_000;
            Ok(report)
        }
        Order::Hold { key, hold_micros } => {
            let at = hold(&subject, &key, Duration::from_micros(hold_micros)).await?;
            Ok(Report {
                at,
                ..Report::default()
            })
        }
        Order::Wait { key } => {
            let at = match &*subject {
                Subject::Channel(channel) => {
                    channel.next().await?;
                    monotonic()
                }
                subject => subject.run(&key, async || monotonic()).await?,
            };
            Ok(Report {
                at,
                ..Report::default()
            })
        }
    }
}

/// One task with a key of its own.
async fn own(subject: &Subject, key: &str, pairs: u32, most: Duration) -> Seen {
    let mut seen = Seen::default();
    let start = Instant::now();
    let mut before = start;
    while seen.count < u64::from(pairs) && before < start + most && seen.errors.len() < MOST_ERRORS
    {
        if let Err(error) = subject.run(key, async || ()).await {
            seen.errors.push(format!("{error:#}"));
        }
        let now = Instant::now();
        seen.times.push(nanos(now - before));
        seen.count += 1;
        before = now;
    }
    seen.elapsed = start.elapsed();
    seen
}

/// One task among those that want the same key.
struct Contender {
    subject: Arc<Subject>,
    ground: Arc<Ground>,
    key: String,
    who: u64,
    hold: Duration,
}

impl Contender {
    async fn contend(&self, end: Instant) -> Seen {
        let mut seen = Seen::default();
        loop {
            let asked = Instant::now();
            if asked >= end || seen.errors.len() >= MOST_ERRORS {
                return seen;
            }
            // Nobody is cancelled when the time is over: what a cancelled peer leaves behind would
            // be this program's doing.
            match self.subject.run(&self.key, || self.section()).await {
                Ok((got, held, met)) => {
                    seen.times.push(nanos(got - asked));
                    seen.held += nanos(held);
                    seen.violations += u64::from(met);
                    seen.count += u64::from(got < end);
                }
                Err(error) => seen.errors.push(format!("{error:#}")),
            }
        }
    }

    async fn section(&self) -> (Instant, Duration, bool) {
        let got = Instant::now();
        let visit = self.ground.enter(self.who);
        if !self.hold.is_zero() {
            tokio::time::sleep(self.hold).await;
        }
        let met = self.ground.leave(&visit);
        (got, got.elapsed(), met)
    }
}

/// Holds a key for a while; answers when the release began.
async fn hold(subject: &Subject, key: &str, time: Duration) -> Result<u64> {
    let early = Report {
        early: true,
        ..Report::default()
    };
    let section = async || {
        say(&early)?;
        tokio::time::sleep(time).await;
        Ok(monotonic())
    };
    match subject {
        Subject::Channel(channel) => {
            let at = section().await;
            channel.publish(key).await?;
            channel.next().await?;
            at
        }
        subject => subject.run(key, section).await.context("hold")?,
    }
}

pub(crate) fn gather(all: Vec<Seen>) -> Report {
    let mut report = Report::default();
    for seen in all {
        report.first = report
            .first
            .max(seen.times.first().copied().unwrap_or_default());
        report.total += u64::try_from(seen.times.len()).unwrap_or_default();
        for nanos in seen.times {
            report.times.add(nanos);
            report.longest = report.longest.max(nanos);
        }
        report.longest = report.longest.max(seen.failed_after);
        report.counts.push(seen.count);
        report.held += seen.held;
        report.violations += seen.violations;
        report.elapsed = report.elapsed.max(nanos(seen.elapsed));
        report.errors.extend(seen.errors);
    }
    report.errors.truncate(MOST_ERRORS);
    report
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Ends this process when its parent does, however that ends.
pub fn follow_parent() {
    // Where the system cannot, the end of the input does it.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

/// Becomes a private server that ends with its parent.
pub fn serve(port: &str) -> Result<()> {
    use std::os::unix::process::CommandExt;
    follow_parent();
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let error = std::process::Command::new(&program)
        .args([
            "--port",
            port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .args(["--logfile", "/dev/null", "--daemonize", "no"])
        .current_dir(std::env::temp_dir())
        .exec();
    Err(error).with_context(|| format!("{} does not start", Path::new(&program).display()))
}
