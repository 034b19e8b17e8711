//! How many commands a lock costs the servers as more and more processes wait for it: simulated, a
//! thousand of them, each with an engine of its own and servers that take their time.

use std::time::Duration;

use klg_lock::testing::MemoryServer;
use klg_lock::{LockError, Redlock, Retry};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Lets so many processes wait for one key, each taking it once for a millisecond; answers the
/// commands on all nodes for each lock.
async fn commands_per_lock(nodes: usize, processes: usize) -> f64 {
    let servers: Vec<MemoryServer> = (0..nodes)
        .map(|index| MemoryServer::named(&format!("herd-{nodes}-{processes}-{index}")))
        .collect();
    let mut engines = Vec::new();
    for _ in 0..=processes {
        let engine = Redlock::builder()
            .nodes(servers.iter().map(MemoryServer::uri))
            .buffer(Retry::default())
            .connect()
            .await
            .unwrap();
        engines.push(engine.as_buffer());
    }
    for server in &servers {
        server.delay_requests(MS / 10);
        server.delay_replies(MS / 10);
    }
    let first = engines.pop().unwrap();
    let held = first.lock("key1").acquire().await.unwrap();
    let mut waiters = tokio::task::JoinSet::new();
    for engine in &engines {
        let request = engine.lock("key1").wait(60 * SECOND);
        waiters.spawn(async move {
            let lock = request.acquire().await.unwrap();
            tokio::time::sleep(MS).await;
            let token = lock.fencing_token();
            lock.release().await.unwrap();
            token
        });
    }
    // All of them have found it held.
    tokio::time::sleep(50 * MS).await;
    let before: u64 = servers.iter().map(MemoryServer::count_all).sum();
    held.release().await.unwrap();
    let mut tokens = Vec::new();
    while let Some(token) = waiters.join_next().await {
        tokens.push(token.unwrap());
    }
    assert!(tokens.is_sorted(), "served in the order of their tokens");
    let after: u64 = servers.iter().map(MemoryServer::count_all).sum();
    let locks = u32::try_from(processes).unwrap();
    u32::try_from(after - before).map(f64::from).unwrap() / f64::from(locks)
}

async fn is_flat(nodes: usize, most: f64) {
    for processes in [4, 32, 1_000] {
        let commands = commands_per_lock(nodes, processes).await;
        println!("{nodes} nodes, {processes} processes: {commands:.1} commands a lock");
        assert!(
            commands <= most,
            "{processes} processes: {commands:.1} commands a lock"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_one_node_costs_the_same_with_a_thousand_processes() {
    is_flat(1, 8.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_three_nodes_costs_the_same_with_a_thousand_processes() {
    is_flat(3, 16.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_five_nodes_costs_the_same_with_a_thousand_processes() {
    is_flat(5, 24.0).await;
}

#[tokio::test(start_paused = true)]
async fn those_who_do_not_wait_are_told_so_behind_one_whose_turn_is_not_yet() {
    let servers = [0, 1, 2].map(|index| MemoryServer::named(&format!("behind-{index}")));
    let mut engines = Vec::new();
    for _ in 0..3 {
        let nodes = servers.iter().map(MemoryServer::uri);
        let builder = Redlock::builder().nodes(nodes).buffer(Retry::default());
        engines.push(builder.connect().await.unwrap());
    }
    let [holder, first, second] = engines.try_into().unwrap();
    let held = holder.lock("key1").acquire().await.unwrap();
    let wait = |engine: &Redlock| {
        let request = engine.as_buffer().lock("key1").wait(60 * SECOND);
        tokio::spawn(async move { request.acquire().await.unwrap().release().await })
    };
    let ahead = wait(&first);
    tokio::time::sleep(20 * MS).await;
    let mutex = second.as_mutex();
    // From here on this process knows that it is contended, and waits in order at once.
    let error = mutex.lock("key1").acquire().await.unwrap_err();
    assert!(matches!(error, LockError::Contended { .. }), "{error}");
    let behind = wait(&second);
    tokio::time::sleep(20 * MS).await;
    let request = mutex.lock("key1");
    let answer = tokio::time::timeout(SECOND, request.acquire()).await;
    let error = answer.expect("it does not wait").unwrap_err();
    assert!(matches!(error, LockError::Contended { .. }), "{error}");
    held.release().await.unwrap();
    ahead.await.unwrap().unwrap();
    behind.await.unwrap().unwrap();
}
