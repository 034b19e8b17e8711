//! S1 and S2: the store beside the connection it stands on, and how soon it is back after a restart.
//!
//! | workload | what is measured |
//! |---|---|
//! | S1 | a value of 64 bytes set and read again, by 1, 64 and 1,000 tasks that share one connection |
//! | S2 | the server is killed and started again: from when it answers to the first success |
//!
//! `raw` is the `redis` crate's multiplexed connection as it comes, which the store uses too: what the
//! store adds is the prefix, the deadline of its own, and the supervision; it also sets `TCP_NODELAY`,
//! which costs packets on loopback where the network would gain by it. In S2 `dial` opens a connection of its
//! own again and again until one answers, which is when the server is back; both wait for the same
//! restart.

use std::io::BufRead;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use klg_lock::{ClientConfig, Store};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use tokio::task::JoinSet;

use crate::machine::Pinning;
use crate::order::monotonic;
use crate::process::{Driver, Worker};
use crate::results::{Outcome, Sample};
use crate::turns::{in_turn, progress};
use crate::worker::{Seen, gather, nanos, say};
use crate::workloads::Scale;
use crate::{Histogram, Order, Report, Server};

/// The subjects by name.
pub const NAMES: &[&str] = &[
    "raw GET, SET",
    "raw GET, SET with TCP_NODELAY",
    "klg-lock store",
    "dial",
];

const VALUE: [u8; 64] = [b'v'; 64];
/// Whoever has not done by then blocks.
const PATIENCE: Duration = Duration::from_secs(10);

/// All workloads of the store, in the order of measuring.
#[must_use]
pub fn cases(scale: Scale) -> Vec<StoreCase> {
    let tasks = [1, 64, 1000].map(|tasks| StoreCase::Throughput {
        tasks,
        rounds: scale.pick(11, 2),
        window: Duration::from_millis(scale.pick(500, 120)),
    });
    let restart = StoreCase::Restart {
        rounds: scale.pick(15, 2),
    };
    tasks.into_iter().chain([restart]).collect()
}

/// One workload of the store.
#[derive(Clone, Copy, Debug)]
pub enum StoreCase {
    /// S1.
    Throughput {
        /// How many tasks share the connection.
        tasks: u32,
        /// How many rounds count.
        rounds: u32,
        /// For how long each subject works in each.
        window: Duration,
    },
    /// S2.
    Restart {
        /// How often.
        rounds: u32,
    },
}

impl StoreCase {
    /// Its name in the results.
    #[must_use]
    pub fn workload(&self) -> String {
        match self {
            Self::Throughput { tasks: 1, .. } => "S1 set and get, 1 task, one core".to_owned(),
            Self::Throughput { tasks, .. } => format!("S1 set and get, {tasks} tasks"),
            Self::Restart { .. } => "S2 a server restart".to_owned(),
        }
    }

    /// Measures.
    pub fn run(&self) -> Result<Outcome> {
        progress(&format!("{}:", self.workload()));
        match *self {
            Self::Throughput {
                tasks,
                rounds,
                window,
            } => self.throughput(tasks, rounds, window),
            Self::Restart { rounds } => self.restart(rounds),
        }
    }

    fn throughput(&self, tasks: u32, rounds: u32, window: Duration) -> Result<Outcome> {
        let pinning = match tasks {
            1 => Pinning::OneCore,
            _ => Pinning::TwoCores,
        };
        let server = Server::start(pinning)?;
        let mut entrants = Vec::new();
        for name in &NAMES[..3] {
            let worker = Worker::start(&Driver::own(name), pinning, &[server.uri()])?;
            entrants.push((*name, worker, Vec::new(), Histogram::default()));
        }
        let order = Order::Own {
            tasks,
            pairs: 1_000_000,
            millis: u64::try_from(window.as_millis())?,
            key: "store".to_owned(),
        };
        in_turn(
            rounds,
            &mut entrants,
            |(name, ..)| (*name).to_owned(),
            |(_, worker, samples, times), round| {
                let before = worker.processor_time();
                let report = worker.ask(&order, window + PATIENCE)?;
                let spent = worker.processor_time() - before;
                ensure!(report.errors.is_empty(), "{:?}", report.errors);
                if round > 0 {
                    samples.push(pairs(&report, spent));
                    times.merge(&report.times);
                }
                Ok(())
            },
        );
        let subjects = entrants.into_iter();
        Ok(Outcome {
            workload: self.workload(),
            nodes: 1,
            processes: 1,
            subjects: subjects
                .map(|(name, _, s, t)| (name.to_owned(), s, t))
                .collect(),
            reference: NAMES[0].to_owned(),
        })
    }

    fn restart(&self, rounds: u32) -> Result<Outcome> {
        let mut server = Server::start(Pinning::TwoCores)?;
        let [.., store, dial] = NAMES else {
            return Ok(Outcome::default());
        };
        let mut workers = [store, dial]
            .map(|name| Worker::start(&Driver::own(name), Pinning::TwoCores, &[server.uri()]))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let (mut samples, mut times) = (Vec::new(), Histogram::default());
        for round in 1..=rounds {
            progress(&format!(" {round}"));
            server.kill();
            for worker in &mut workers {
                worker.say(&Order::Wait {
                    key: "store".to_owned(),
                })?;
            }
            // Whatever the client's pause between two attempts, it is met somewhere else each time.
            thread::sleep(Duration::from_millis(300) + Duration::from_millis(73) * (round % 10));
            server.start_again(Pinning::TwoCores)?;
            let reports = workers.iter().map(|worker| worker.hear(PATIENCE));
            let at = reports
                .map(|report| Ok(report?.at))
                .collect::<Result<Vec<u64>>>()?;
            let [store, back] = at.as_slice() else {
                continue;
            };
            let after = store.saturating_sub(*back);
            times.add(after);
            let millis = after as f64 / 1e6;
            samples.push(Sample::from([(("back to first success", "ms"), millis)]));
        }
        progress("\n");
        let longest = Sample::from([(("longest of all", "ms"), times.quantile(1.0) / 1e6)]);
        samples.push(longest);
        Ok(Outcome {
            workload: self.workload(),
            nodes: 1,
            processes: 1,
            subjects: vec![((*store).to_owned(), samples, times)],
            reference: String::new(),
        })
    }
}

fn pairs(report: &Report, spent: u64) -> Sample {
    let total = report.total.max(1) as f64;
    Sample::from([
        (
            ("pairs", "/s"),
            total / (report.elapsed.max(1) as f64 / 1e9),
        ),
        (("pair, p50", "µs"), report.times.quantile(0.5) / 1e3),
        (("pair, p99", "µs"), report.times.quantile(0.99) / 1e3),
        (
            ("client's processor, each", "µs"),
            spent as f64 / total / 1e3,
        ),
    ])
}

/// What sets and gets values.
enum Subject {
    Raw(MultiplexedConnection),
    Store(Store),
    Dial(redis::Client),
}

impl Subject {
    async fn connect(name: &str, uri: &str) -> Result<Self> {
        let client = redis::Client::open(uri)?;
        Ok(match name {
            "klg-lock store" => {
                let config = ClientConfig::default().uri(uri).prefix("app_");
                Self::Store(Store::connect(&config).await?)
            }
            "dial" => Self::Dial(client),
            "raw GET, SET with TCP_NODELAY" => {
                let settings = TcpSettings::default().set_nodelay(true);
                let info = client.get_connection_info().clone();
                let client = redis::Client::open(info.set_tcp_settings(settings))?;
                Self::Raw(client.get_multiplexed_async_connection().await?)
            }
            _ => Self::Raw(client.get_multiplexed_async_connection().await?),
        })
    }

    /// Sets the key and reads it.
    async fn pair(&self, key: &str) -> Result<()> {
        let read: Option<Vec<u8>> = match self {
            Self::Raw(raw) => {
                let mut raw = raw.clone();
                let () = raw.set(key, &VALUE[..]).await?;
                raw.get(key).await?
            }
            Self::Store(store) => {
                store.set(key, &VALUE[..]).await?;
                store.get(key).await?
            }
            Self::Dial(client) => {
                let mut connection = client.get_multiplexed_async_connection().await?;
                let () = connection.set(key, &VALUE[..]).await?;
                connection.get(key).await?
            }
        };
        ensure!(read.as_deref() == Some(&VALUE), "another value was read");
        Ok(())
    }
}

/// Connects a subject, says so, and works until its input ends.
pub fn run(name: &str, uris: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let uri = uris.first().context("no server is named")?.clone();
    let name = name.to_owned();
    let subject = runtime.block_on(async {
        let connect = tokio::spawn(async move { Subject::connect(&name, &uri).await });
        connect.await?.map(Arc::new)
    })?;
    say(&Report {
        early: true,
        ..Report::default()
    })?;
    for line in std::io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let work = work(Arc::clone(&subject), order);
        say(&runtime.block_on(async { tokio::spawn(work).await })??)?;
    }
    Ok(())
}

async fn work(subject: Arc<Subject>, order: Order) -> Result<Report> {
    match order {
        Order::Own {
            tasks, millis, key, ..
        } => {
            let mut all = JoinSet::new();
            for task in 0..tasks {
                let (subject, key) = (Arc::clone(&subject), format!("{key}:{task}"));
                let most = Duration::from_millis(millis);
                all.spawn(async move { own(&subject, &key, most).await });
            }
            Ok(gather(all.join_all().await))
        }
        Order::Wait { key } => {
            let end = Instant::now() + PATIENCE;
            while let Err(error) = subject.pair(&key).await {
                ensure!(Instant::now() < end, "{error:#}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(Report {
                at: monotonic(),
                ..Report::default()
            })
        }
        order => anyhow::bail!("no order for a store: {order:?}"),
    }
}

async fn own(subject: &Subject, key: &str, most: Duration) -> Seen {
    let mut seen = Seen::default();
    let start = Instant::now();
    let mut before = start;
    while seen.goes_on(start + most) {
        let answer = subject.pair(key).await;
        let now = Instant::now();
        seen.note(nanos(now - before), answer);
        before = now;
    }
    seen.elapsed = start.elapsed();
    seen
}
