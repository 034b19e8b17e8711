//! Counters by cache name: where answers came from, and what it took.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::record::micros;
use crate::sync::lock;

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    L1Hit,
    L2Hit,
    Stale,
    Miss,
    Shared,
    Bypass,
    LoadError,
    Discarded,
    Error,
}

const EVENTS: usize = 9;

impl Event {
    fn index(self) -> usize {
        match self {
            Self::L1Hit => 0,
            Self::L2Hit => 1,
            Self::Stale => 2,
            Self::Miss => 3,
            Self::Shared => 4,
            Self::Bypass => 5,
            Self::LoadError => 6,
            Self::Discarded => 7,
            Self::Error => 8,
        }
    }

    #[cfg(feature = "metrics")]
    fn label(self) -> &'static str {
        match self {
            Self::L1Hit => "l1_hit",
            Self::L2Hit => "l2_hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Shared => "shared",
            Self::Bypass => "bypass",
            Self::LoadError => "load_error",
            Self::Discarded => "discarded",
            Self::Error => "error",
        }
    }
}

/// The counters of one name.
#[derive(Debug)]
pub(crate) struct Counters {
    name: Box<str>,
    events: [AtomicU64; EVENTS],
    loads: AtomicU64,
    load_micros: AtomicU64,
    slowest_micros: AtomicU64,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
}

/// The same counters by the `metrics` facade, looked up once.
#[cfg(feature = "metrics")]
struct Metrics {
    name: metrics::SharedString,
}

#[cfg(feature = "metrics")]
impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Counters {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            events: std::array::from_fn(|_| AtomicU64::new(0)),
            loads: AtomicU64::new(0),
            load_micros: AtomicU64::new(0),
            slowest_micros: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            metrics: Metrics {
                name: metrics::SharedString::from_shared(Arc::from(name)),
            },
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn count(&self, event: Event) {
        if let Some(counter) = self.events.get(event.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "klg_cache_events_total",
            "cache" => self.metrics.name.clone(),
            "event" => event.label()
        )
        .increment(1);
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let took_micros = micros(took);
        self.load_micros.fetch_add(took_micros, Ordering::Relaxed);
        self.slowest_micros
            .fetch_max(took_micros, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        metrics::histogram!("klg_cache_load_seconds", "cache" => self.metrics.name.clone())
            .record(took.as_secs_f64());
    }

    fn row(&self) -> CacheCounts {
        let event = |event: Event| {
            let counter = self.events.get(event.index());
            counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
        };
        let loads = self.loads.load(Ordering::Relaxed);
        let total = Duration::from_micros(self.load_micros.load(Ordering::Relaxed));
        let mean = u32::try_from(loads).ok().and_then(|n| total.checked_div(n));
        CacheCounts {
            name: self.name.to_string(),
            l1_hits: event(Event::L1Hit),
            l2_hits: event(Event::L2Hit),
            stale: event(Event::Stale),
            misses: event(Event::Miss),
            shared: event(Event::Shared),
            bypassed: event(Event::Bypass),
            loads,
            load_errors: event(Event::LoadError),
            discarded: event(Event::Discarded),
            errors: event(Event::Error),
            mean_load: mean.unwrap_or_default(),
            slowest_load: Duration::from_micros(self.slowest_micros.load(Ordering::Relaxed)),
        }
    }
}

/// All counters of one cache.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    names: Mutex<BTreeMap<Box<str>, Arc<Counters>>>,
}

impl Stats {
    pub(crate) fn named(&self, name: &str) -> Arc<Counters> {
        let mut names = lock(&self.names);
        if let Some(counters) = names.get(name) {
            return counters.clone();
        }
        let counters = Arc::new(Counters::new(name));
        names.insert(name.into(), counters.clone());
        counters
    }

    pub(crate) fn rows(&self) -> CacheStats {
        let names = lock(&self.names);
        CacheStats {
            rows: names.values().map(|counters| counters.row()).collect(),
        }
    }
}

/// How often what happened in a cache, by cache name; `Display` prints a table.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let config = klg_lock::Config::default().uri("memory://");
/// # let registry = klg_lock::Registry::builder().config(config).build().await?;
/// let users = registry.cache().named("users");
/// let name: String = users.using_value("1", || async { "Ann".to_owned() }).await;
/// println!("{}", users.stats());
/// # assert_eq!((name.as_str(), users.stats().of("users").unwrap().misses), ("Ann", 1));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// One row for each name, in alphabetical order.
    pub rows: Vec<CacheCounts>,
}

/// The counts of one cache name since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheCounts {
    /// The name, see [`Cache::named`](super::Cache::named).
    pub name: String,
    /// Answers from this process.
    pub l1_hits: u64,
    /// Fresh answers from the server.
    pub l2_hits: u64,
    /// Answers past their freshness, inside the grace period.
    pub stale: u64,
    /// Calls that found nothing to serve.
    pub misses: u64,
    /// Those among them that were answered by somebody else's load.
    pub shared: u64,
    /// Calls that went past the cache: the server failed, or somebody's load took too long.
    pub bypassed: u64,
    /// Loads, successful or not.
    pub loads: u64,
    /// Loads that failed.
    pub load_errors: u64,
    /// Loaded values that were not stored, since the key was evicted or replaced meanwhile.
    pub discarded: u64,
    /// Operations of the server that failed, and values that could not be encoded or decoded.
    pub errors: u64,
    /// How long a load takes on average.
    pub mean_load: Duration,
    /// The slowest load.
    pub slowest_load: Duration,
}

impl CacheStats {
    /// The row of one name.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&CacheCounts> {
        self.rows.iter().find(|row| row.name == name)
    }
}

impl fmt::Display for CacheStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.rows.iter().map(|row| row.name.chars().count());
        let wide = names.max().unwrap_or(0).max("cache".len());
        writeln!(
            f,
            "{:wide$} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8} {:>7} {:>7} {:>9} {:>6} {:>10} {:>10}",
            "cache",
            "l1 hits",
            "l2 hits",
            "stale",
            "misses",
            "shared",
            "bypassed",
            "loads",
            "failed",
            "discarded",
            "errors",
            "mean load",
            "slowest"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:wide$} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8} {:>7} {:>7} {:>9} {:>6} {:>10} {:>10}",
                row.name,
                row.l1_hits,
                row.l2_hits,
                row.stale,
                row.misses,
                row.shared,
                row.bypassed,
                row.loads,
                row.load_errors,
                row.discarded,
                row.errors,
                short(row.mean_load),
                short(row.slowest_load),
            )?;
        }
        Ok(())
    }
}

/// Three digits and a unit.
fn short(duration: Duration) -> String {
    format!("{duration:.1?}")
}
