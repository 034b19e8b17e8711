//! Fencing tokens grow with every holder, whatever the nodes have forgotten meanwhile.

use std::time::{Duration, SystemTime};

use klg_lock::{FencingToken, LockError, Redlock};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, mutex};
use klg_lock_tests::poll::within;

const SECOND: Duration = Duration::from_secs(1);
const FENCE: &str = "redis_fence:{redis_lock:key1}";

async fn token(engine: &Redlock) -> FencingToken {
    // Servers that were restarted need not be connected again yet.
    let request = engine.lock("key1").wait(5 * SECOND);
    let lock = request.acquire().await.unwrap();
    let token = lock.fencing_token();
    lock.release().await.unwrap();
    token
}

#[tokio::test]
async fn the_first_token_is_the_servers_time_and_the_next_are_one_apart() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let first: u64 = token(&mutex).await.into();
    let apart = u128::from(first).abs_diff(now.as_micros());
    assert!(apart < (10 * SECOND).as_micros(), "{first}");
    for next in 1..10 {
        assert_eq!(u64::from(token(&mutex).await), first + next);
    }
}

#[tokio::test]
async fn tokens_grow_from_engine_to_engine() {
    let servers = Server::start_many::<3>();
    let engines = [
        mutex(&servers).await,
        mutex(&servers).await,
        mutex(&servers).await,
    ];
    let mut highest = token(&engines[0]).await;
    for round in 1..30 {
        let next = token(&engines[round % 3]).await;
        assert!(next > highest, "{next} after {highest}");
        highest = next;
    }
}

#[tokio::test]
async fn tokens_grow_through_local_handovers() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    let mut tasks = tokio::task::JoinSet::new();
    let (sender, mut tokens) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..8 {
        let (buffer, sender) = (buffer.clone(), sender.clone());
        tasks.spawn(async move {
            for _ in 0..50 {
                let lock = buffer.lock("key1").acquire().await.unwrap();
                sender.send(lock.fencing_token()).unwrap();
                lock.release().await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let tokens: Vec<FencingToken> = std::iter::from_fn(|| tokens.try_recv().ok()).collect();
    assert_eq!(tokens.len(), 400);
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[tokio::test]
async fn tokens_grow_whichever_minority_answers_and_whatever_it_forgot() {
    let servers = Server::start_many::<5>();
    let mutex = mutex(&servers).await;
    let mut highest = token(&mutex).await;
    for round in 0..25 {
        let node = &servers[round % 5];
        match round % 3 {
            0 => node.control().flush_all(),
            1 => node.restart(),
            _ => node.kill(),
        }
        let next = token(&mutex).await;
        assert!(next > highest, "round {round}: {next} after {highest}");
        highest = next;
        if round % 3 == 2 {
            node.restart();
        }
    }
}

#[tokio::test]
async fn tokens_grow_though_every_node_has_forgotten_everything() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let mut highest = token(&mutex).await;
    for _ in 0..5 {
        for server in &servers {
            server.control().flush_all();
        }
        let next = token(&mutex).await;
        assert!(next > highest, "{next} after {highest}");
        highest = next;
    }
}

#[tokio::test]
async fn a_node_that_lags_behind_is_raised_before_the_lock_counts() {
    let servers = Server::start_many::<3>();
    let mutex = mutex(&servers).await;
    let first: u64 = token(&mutex).await.into();
    // One node is far ahead: it alone has seen tokens that the other two have not.
    let ahead = first + 1_000_000;
    servers[2]
        .control()
        .ask::<()>(&["SET", FENCE, &ahead.to_string()]);
    let mut highest = 0;
    // With or without it in the quorum, what is stored on a quorum reaches the token.
    for _ in 0..10 {
        let lock = mutex.lock("key1").acquire().await.unwrap();
        let token: u64 = lock.fencing_token().into();
        let stored = servers
            .iter()
            .filter(|server| server.control().ask::<u64>(&["GET", FENCE]) >= token);
        assert!(stored.count() >= 2, "{token} is not on a quorum");
        assert!(token > highest);
        highest = token;
        lock.release().await.unwrap();
    }
}

#[tokio::test]
async fn a_counter_at_its_end_is_an_error_and_no_token() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    for counter in ["9007199254740992", "9223372036854775807", "not a number"] {
        servers[0].control().ask::<()>(&["SET", FENCE, counter]);
        let error = mutex.lock("key1").acquire().await.unwrap_err();
        assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("fenc"), "{text}");
        within(SECOND, "nothing is left", || are_clean(&servers)).await;
    }
}

#[tokio::test]
async fn a_token_is_a_number_to_compare_and_to_print() {
    let servers = [Server::start()];
    let mutex = mutex(&servers).await;
    let (first, second) = (token(&mutex).await, token(&mutex).await);
    assert!(first < second);
    assert_eq!(first.to_string(), u64::from(first).to_string());
}
