//! One world: its servers, its engines, its tasks; made, run, and looked over at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use klg_lock::Redlock;
use klg_lock::testing::MemoryServer;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::client::Client;
use super::faults;
use super::history::{History, Tally};
use super::plan::{Faults, Plan, ms};

pub fn lock_key(resource: usize) -> String {
    format!("redis_lock:r{resource}")
}

/// Runs the world; answers what happened, and which invariants broke.
pub fn run(plan: &Plan) -> (Tally, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (done, waiting) = mpsc::channel::<()>();
    let text = format!("{plan:?}");
    let watchdog = std::thread::spawn(move || {
        // Time that never passes: two tasks wake each other in turn, without end.
        if waiting.recv_timeout(STUCK) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("this world does not come to an end: {text}");
            std::process::abort();
        }
    });
    let outcome = runtime.block_on(live(plan.clone()));
    drop(done);
    watchdog.join().unwrap();
    outcome
}

static WORLDS: AtomicU64 = AtomicU64::new(0);

/// A world takes a fraction of a second.
const STUCK: Duration = Duration::from_secs(60);

async fn live(plan: Plan) -> (Tally, Vec<String>) {
    // Worlds run side by side in one process, and a name is the same server for all of it.
    let number = WORLDS.fetch_add(1, Ordering::Relaxed);
    let name = |node| format!("world-{number}-{node}");
    let servers: Arc<[MemoryServer]> = (0..plan.nodes)
        .map(|node| MemoryServer::named(&name(node)))
        .collect();
    for (node, server) in servers.iter().enumerate() {
        server.seed(plan.seed.wrapping_mul(17).wrapping_add(node as u64));
        server.set_deadline(plan.deadline);
        if let Some(rule) = plan.broken {
            server.break_rule(rule);
        }
    }
    let history = History::new(&plan);
    let mut engines = Vec::new();
    for _ in 0..plan.engines {
        let engine = Redlock::builder()
            .nodes(servers.iter().map(MemoryServer::uri))
            .handover(plan.handover, ms(100))
            .connect()
            .await
            .unwrap();
        engines.push(engine);
    }
    let watcher = tokio::spawn(watch(history.clone()));
    let trouble = tokio::spawn(faults::trouble(
        plan.clone(),
        servers.clone(),
        history.clone(),
    ));
    let mut clients = Vec::new();
    for (number, engine) in engines.iter().enumerate() {
        for task in 0..plan.tasks {
            let seed = plan
                .seed
                .wrapping_mul(7_919)
                .wrapping_add((number * 100 + task) as u64);
            let client = Client {
                plan: plan.clone(),
                engine: engine.clone(),
                number,
                history: history.clone(),
                rng: SmallRng::seed_from_u64(seed),
            };
            clients.push(tokio::spawn(client.run()));
        }
    }
    trouble.await.unwrap();
    // What was left behind in the trouble may block for a TTL, and a node's errors for a pause.
    let left = if plan.faults == Faults::None {
        Duration::ZERO
    } else {
        plan.longest_ttl() + ms(1_500)
    };
    let calm = Instant::now() + left;
    history.calm_from(calm);
    // Afterwards every request takes its own holding time and no more than the idle time beside it.
    let each = plan.ttl.end * 3 + ms(1_000);
    let requests = u32::try_from(plan.engines * plan.tasks).unwrap() * plan.rounds;
    let all = async {
        for client in clients {
            client.await.unwrap();
        }
    };
    if timeout(left + each * requests, all).await.is_err() {
        history.report(format!(
            "still waiting long after all trouble: {}",
            history.describe_open()
        ));
    } else {
        clean(&plan, &servers, engines, &history).await;
    }
    watcher.abort();
    history.finish()
}

async fn watch(history: History) {
    loop {
        sleep(ms(10)).await;
        history.watch();
    }
}

/// Invariant 4.
async fn clean(plan: &Plan, servers: &[MemoryServer], engines: Vec<Redlock>, history: &History) {
    // A release that got no answer is repeated after the deadline.
    let enough = (plan.deadline + plan.delay * 2) * 3 + ms(200);
    sleep(enough).await;
    for (number, engine) in engines.iter().enumerate() {
        if engine.held() > 0 {
            history.report(format!(
                "engine {number} still holds {} resources",
                engine.held()
            ));
        }
    }
    for (node, server) in servers.iter().enumerate() {
        let mut left = server.keys();
        left.retain(|key| !key.contains("fence:"));
        // Places in a node's queue are given up once, and die by themselves where that got lost.
        left.retain(|key| plan.faults == Faults::None || !key.contains("queue:"));
        if !left.is_empty() {
            let with_ttl: Vec<_> = left.iter().map(|key| (key, server.ttl(key))).collect();
            history.report(format!("node {node} still has {with_ttl:?}"));
        }
    }
    // Nobody is in the lines: everybody gets everything at once.
    for (number, engine) in engines.iter().enumerate() {
        for resource in 0..plan.resources {
            match engine.lock(format!("r{resource}")).acquire().await {
                Ok(lock) => drop(lock),
                Err(error) => history.report(format!("engine {number} at the end: {error}")),
            }
            sleep(plan.delay * 2 + ms(2)).await;
        }
    }
    for engine in &engines {
        engine.shutdown().await;
    }
    drop(engines);
    sleep(enough).await;
    yield_now().await;
    // This task, and the watcher.
    let alive = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    if alive > 1 {
        history.report(format!("{} tasks are left", alive - 1));
    }
    for (node, server) in servers.iter().enumerate() {
        if server.clients() > 0 {
            history.report(format!(
                "node {node} still has {} clients",
                server.clients()
            ));
        }
    }
}
