//! A process with a cache, which does what it is told: one order per line, one report per line.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::RngExt;
use tokio::task::JoinSet;

use super::source::Source;
use super::subject::User;
use super::zipf::Zipf;
use super::{CacheOrder, CacheSubject};
use crate::Report;
use crate::order::monotonic;
use crate::worker::{MOST_ERRORS, Seen, gather, nanos, say};

/// Connects the cache, says so, and works until its input ends.
pub fn run(name: &str, uris: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let uris = uris.to_vec();
    let name = name.to_owned();
    let mut subject = runtime.block_on(async {
        let connect = tokio::spawn(async move { CacheSubject::connect(&name, &uris).await });
        connect.await?.map(Arc::new)
    })?;
    say(&Report {
        early: true,
        ..Report::default()
    })?;
    for line in std::io::stdin().lock().lines() {
        let order: CacheOrder = serde_json::from_str(&line?)?;
        let ttl = match &order {
            CacheOrder::Hot { ttl_millis, .. } => Duration::from_millis(*ttl_millis),
            _ => Duration::from_secs(60),
        };
        // Nobody works between two orders.
        let idle = Arc::get_mut(&mut subject).context("a task is left over")?;
        idle.set_ttl(ttl);
        let work = work(Arc::clone(&subject), order);
        let report = runtime.block_on(async { tokio::spawn(work).await })??;
        say(&report)?;
    }
    runtime.shutdown_background();
    Ok(())
}

async fn work(subject: Arc<CacheSubject>, order: CacheOrder) -> Result<Report> {
    match order {
        CacheOrder::Hits {
            tasks,
            batch,
            millis,
            key,
        } => {
            let mut all = JoinSet::new();
            for task in 0..tasks {
                let (subject, key) = (Arc::clone(&subject), format!("{key}:{task}"));
                let most = Duration::from_millis(millis);
                all.spawn(async move { hits(&subject, &key, batch, most).await });
            }
            Ok(gather(all.join_all().await))
        }
        CacheOrder::Misses { millis, key } => {
            let seen = misses(&subject, &key, Duration::from_millis(millis)).await;
            Ok(gather(vec![seen]))
        }
        CacheOrder::Stampede {
            callers,
            start,
            load_micros,
            key,
        } => {
            let loads = Loads::new(load_micros);
            let start = instant(start);
            let mut all = JoinSet::new();
            for _ in 0..callers {
                let (subject, key, loads) = (Arc::clone(&subject), key.clone(), loads.clone());
                all.spawn(async move {
                    tokio::time::sleep_until(start.into()).await;
                    let mut seen = Seen::default();
                    let answer = subject.get(&key, move || loads.load()).await;
                    seen.note(nanos(start.elapsed()), answer);
                    seen
                });
            }
            let mut report = gather(all.join_all().await);
            report.loads = loads.count();
            Ok(report)
        }
        CacheOrder::Hot {
            tasks,
            millis,
            load_micros,
            key,
            ..
        } => {
            let loads = Loads::new(load_micros);
            let first = loads.clone();
            subject.get(&key, move || first.load()).await?;
            let before = loads.count();
            let end = Instant::now() + Duration::from_millis(millis);
            let mut all = JoinSet::new();
            for _ in 0..tasks {
                let (subject, key, loads) = (Arc::clone(&subject), key.clone(), loads.clone());
                all.spawn(async move {
                    let mut seen = Seen::default();
                    while seen.goes_on(end) {
                        let asked = Instant::now();
                        let loads = loads.clone();
                        let answer = subject.get(&key, move || loads.load()).await;
                        seen.note(nanos(asked.elapsed()), answer);
                    }
                    seen
                });
            }
            let mut report = gather(all.join_all().await);
            report.loads = loads.count() - before;
            Ok(report)
        }
        CacheOrder::Mix { .. } => mix(subject, order).await,
        CacheOrder::Change { source, key } => {
            let source = Source::open(&source)?;
            let version = source.change(0)?;
            let at = monotonic();
            subject.evict(&key).await?;
            source.told(0, version)?;
            Ok(Report {
                at,
                ..Report::default()
            })
        }
        CacheOrder::See {
            source,
            key,
            version,
        } => see(&subject, &source, &key, version).await,
    }
}

/// One task that reads what is there. The first read, which may load, does not count.
async fn hits(subject: &CacheSubject, key: &str, batch: u32, most: Duration) -> Seen {
    let mut seen = Seen::default();
    let load = || async { Ok(User::new(1)) };
    if let Err(error) = subject.get(key, load).await {
        seen.errors.push(format!("{error:#}"));
    }
    let start = Instant::now();
    let mut before = start;
    while before < start + most && seen.errors.len() < MOST_ERRORS {
        for _ in 0..batch {
            if let Err(error) = subject.hit(key).await {
                seen.errors.push(format!("{error:#}"));
            }
        }
        let now = Instant::now();
        seen.times.push(nanos((now - before) / batch));
        seen.count += u64::from(batch);
        before = now;
    }
    seen.elapsed = start.elapsed();
    seen
}

async fn misses(subject: &CacheSubject, key: &str, most: Duration) -> Seen {
    let mut seen = Seen::default();
    let start = Instant::now();
    let mut before = start;
    while seen.goes_on(start + most) {
        let key = format!("{key}:{}", seen.count);
        let answer = subject.get(&key, || async { Ok(User::new(1)) }).await;
        let now = Instant::now();
        seen.note(nanos(now - before), answer);
        before = now;
    }
    seen.elapsed = start.elapsed();
    seen
}

/// Loads that take their time and are counted.
#[derive(Clone)]
struct Loads {
    count: Arc<AtomicU64>,
    takes: Duration,
}

impl Loads {
    fn new(micros: u64) -> Self {
        Self {
            count: Arc::default(),
            takes: Duration::from_micros(micros),
        }
    }

    fn load(&self) -> impl Future<Output = Result<User>> + Send + use<> {
        let version = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let takes = self.takes;
        async move {
            tokio::time::sleep(takes).await;
            Ok(User::new(version))
        }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// What a task of the mix knows.
struct Mixer {
    subject: Arc<CacheSubject>,
    source: Arc<Source>,
    zipf: Arc<Zipf>,
    loads: Arc<AtomicU64>,
    key: String,
    keys: u32,
    writes: u32,
    load: Duration,
    task: u32,
    tasks: u32,
}

async fn mix(subject: Arc<CacheSubject>, order: CacheOrder) -> Result<Report> {
    let CacheOrder::Mix {
        tasks,
        keys,
        writes,
        load_micros,
        start,
        millis,
        source,
        key,
        first,
        all,
    } = order
    else {
        return Ok(Report::default());
    };
    let source = Arc::new(Source::open(&source)?);
    let zipf = Arc::new(Zipf::new(keys));
    let loads = Arc::new(AtomicU64::new(0));
    let start = instant(start);
    let end = start + Duration::from_millis(millis);
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let mixer = Mixer {
            subject: Arc::clone(&subject),
            source: Arc::clone(&source),
            zipf: Arc::clone(&zipf),
            loads: Arc::clone(&loads),
            key: key.clone(),
            keys,
            writes,
            load: Duration::from_micros(load_micros),
            task: first + task,
            tasks: all,
        };
        set.spawn(async move {
            tokio::time::sleep_until(start.into()).await;
            mixer.mix(end).await
        });
    }
    let mut report = gather(set.join_all().await);
    report.loads = loads.load(Ordering::Relaxed);
    report.elapsed = millis * 1_000_000;
    Ok(report)
}

impl Mixer {
    async fn mix(&self, end: Instant) -> Seen {
        let mut seen = Seen::default();
        while seen.goes_on(end) {
            let (row, writes) = {
                let mut rng = rand::rng();
                let writes = rng.random_range(0..100) < self.writes;
                (self.zipf.draw(&mut rng), writes)
            };
            // Every row has one writer.
            let own = row - row % self.tasks + self.task;
            if writes && own < self.keys {
                if let Err(error) = self.change(own).await {
                    seen.errors.push(format!("{error:#}"));
                }
            } else {
                self.read(row, &mut seen).await;
            }
        }
        seen
    }

    async fn change(&self, row: u32) -> Result<()> {
        let version = self.source.change(row)?;
        self.subject.evict(&format!("{}:{row}", self.key)).await?;
        self.source.told(row, version)
    }

    async fn read(&self, row: u32, seen: &mut Seen) {
        let least = self.source.least(row).unwrap_or(u64::MAX);
        let (source, loads, most) = (self.source.clone(), self.loads.clone(), self.load);
        let load = async move || {
            loads.fetch_add(1, Ordering::Relaxed);
            // What a query sees first, and what it returns after a while.
            let version = source.version(row)?;
            if !most.is_zero() {
                let pause = most.mul_f64(rand::rng().random());
                tokio::time::sleep(pause).await;
            }
            Ok(User::new(version))
        };
        let asked = Instant::now();
        let answer = self.subject.get(&format!("{}:{row}", self.key), load).await;
        let stale = matches!(&answer, Ok(user) if user.version < least);
        seen.note(nanos(asked.elapsed()), answer);
        seen.violations += u64::from(stale);
    }
}

/// Reads until the change is seen. Blocks its thread for a moment in between, as the clock of the
/// runtime is too coarse, and lets other tasks have their turn.
async fn see(
    subject: &Arc<CacheSubject>,
    source: &Path,
    key: &str,
    version: u64,
) -> Result<Report> {
    let source = Arc::new(Source::open(source)?);
    let read = async || {
        let source = Arc::clone(&source);
        let load = async move || Ok(User::new(source.version(0)?));
        subject.get(key, load).await
    };
    read().await?;
    read().await?;
    say(&Report {
        early: true,
        ..Report::default()
    })?;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        if read().await?.version >= version {
            return Ok(Report {
                at: monotonic(),
                ..Report::default()
            });
        }
        std::thread::sleep(Duration::from_micros(20));
        tokio::task::yield_now().await;
    }
    anyhow::bail!("the change was not seen in 5 s")
}

fn instant(at: u64) -> Instant {
    Instant::now() + Duration::from_nanos(at.saturating_sub(monotonic()))
}
