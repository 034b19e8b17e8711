//! A lock that is held is waited for: as long as asked, in turn, and no longer than needed.

use std::time::{Duration, Instant};

use klg_lock::{LockError, Retry};
use klg_lock_tests::Server;
use klg_lock_tests::engine::{are_clean, buffer, engine, key, mutex};
use klg_lock_tests::poll::within;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_limit_of_three_seconds_is_kept() {
    let servers = Server::start_many::<3>();
    let (first, second) = (mutex(&servers).await, buffer(&servers).await);
    let held = first.lock("key1").acquire().await.unwrap();
    let begun = Instant::now();
    let local = first.lock("key1").wait(3 * SECOND).acquire();
    let remote = second.lock("key1").wait(3 * SECOND).acquire();
    let timed = async |waiting: &mut (dyn Future<Output = _> + Unpin)| {
        let error: LockError = waiting.await;
        (error, begun.elapsed())
    };
    let mut local = Box::pin(async { local.await.unwrap_err() });
    let mut remote = Box::pin(async { remote.await.unwrap_err() });
    let (local, remote) = tokio::join!(timed(&mut local), timed(&mut remote));
    for (who, (error, took)) in [("local", local), ("remote", remote)] {
        let took_ms = took.as_millis();
        assert!((2990..=3350).contains(&took_ms), "{who}: {took:?}");
        let LockError::Timeout {
            resource,
            waited,
            holder,
            ..
        } = error
        else {
            panic!("{who}: {error}");
        };
        assert_eq!(&*resource, "key1");
        assert!(
            waited.as_millis() >= 2990 && waited <= took,
            "{who}: {waited:?}"
        );
        let pid = std::process::id().to_string();
        let holder = holder.unwrap_or_else(|| panic!("{who}: no holder"));
        assert!(holder.description.contains(&pid), "{who}: {holder}");
    }
    held.release().await.unwrap();
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn no_wait_at_all_fails_at_once_with_either_kind() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, buffer(&servers).await);
    let _held = first.lock("key1").acquire().await.unwrap();
    let begun = Instant::now();
    for engine in [&first, &second] {
        let request = engine.lock("key1").wait(Duration::ZERO).acquire();
        let refused = request.await.unwrap_err();
        assert!(matches!(refused, LockError::Contended { .. }), "{refused}");
    }
    assert!(begun.elapsed() < SECOND / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_lock_is_had_as_soon_as_it_is_released() {
    let servers = Server::start_many::<3>();
    let (first, second) = (mutex(&servers).await, buffer(&servers).await);
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let held = first.lock("key1").acquire().await.unwrap();
        let (lock, released) = tokio::join!(second.lock("key1").acquire(), async {
            sleep(20 * MS).await;
            held.release().await.unwrap();
            Instant::now()
        });
        slowest = slowest.max(released.elapsed());
        lock.unwrap().release().await.unwrap();
    }
    // Polling every 400 to 800 ms could not be that quick twenty times.
    assert!(slowest < 100 * MS, "{slowest:?}");
}

#[tokio::test]
async fn the_lock_is_had_as_soon_as_it_is_deleted_by_hand_or_flushed_away() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    for by_flush in [false, true] {
        let mut control = servers[0].control();
        assert!(control.set_if_absent(&key("key1"), "mine", 60 * SECOND));
        let (lock, gone) = tokio::join!(buffer.lock("key1").acquire(), async {
            sleep(50 * MS).await;
            if by_flush {
                control.flush_all();
            } else {
                control.delete(&key("key1"));
            }
            Instant::now()
        });
        lock.unwrap().release().await.unwrap();
        assert!(gone.elapsed() < 100 * MS, "{:?}", gone.elapsed());
    }
}

#[tokio::test]
async fn waiting_costs_the_server_next_to_nothing() {
    let servers = [Server::start()];
    let (first, second) = (mutex(&servers).await, buffer(&servers).await);
    let _held = first
        .lock("key1")
        .auto_extend(false)
        .acquire()
        .await
        .unwrap();
    let mut waiters = tokio::task::JoinSet::new();
    for _ in 0..50 {
        waiters.spawn(second.lock("key1").wait(2 * SECOND).acquire());
    }
    sleep(300 * MS).await;
    servers[0].control().forget_calls();
    sleep(SECOND).await;
    let calls = servers[0].control().calls();
    let asked =
        calls.get("evalsha").copied().unwrap_or(0) + calls.get("eval").copied().unwrap_or(0);
    // Fifty waiters, one of which alone talks to the server, and is told when to ask.
    assert!(asked <= 2, "{calls:?}");
    waiters.shutdown().await;
}

#[tokio::test]
async fn waiters_of_one_process_come_in_the_order_in_which_they_asked() {
    let servers = Server::start_many::<3>();
    let buffer = buffer(&servers).await;
    let held = buffer.lock("key1").acquire().await.unwrap();
    let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
    let mut waiters = tokio::task::JoinSet::new();
    for index in 0..20 {
        let (buffer, sender) = (buffer.clone(), sender.clone());
        waiters.spawn(async move {
            let lock = buffer.lock("key1").acquire().await.unwrap();
            sender.send(index).unwrap();
            lock.release().await.unwrap();
        });
        // The next one asks when this one stands in line.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    held.release().await.unwrap();
    while let Some(done) = waiters.join_next().await {
        done.unwrap();
    }
    let order: Vec<i32> = std::iter::from_fn(|| order.try_recv().ok()).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_waiter_that_goes_away_is_skipped() {
    let servers = [Server::start()];
    let buffer = buffer(&servers).await;
    let held = buffer.lock("key1").acquire().await.unwrap();
    let gone: Vec<_> = (0..3)
        .map(|_| tokio::spawn(buffer.lock("key1").acquire()))
        .collect();
    tokio::task::yield_now().await;
    let last = tokio::spawn(buffer.lock("key1").acquire());
    sleep(20 * MS).await;
    for waiter in gone {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    let begun = Instant::now();
    held.release().await.unwrap();
    last.await.unwrap().unwrap().release().await.unwrap();
    assert!(begun.elapsed() < SECOND / 2);
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_limit_by_count_asks_exactly_that_often() {
    let servers = Server::start_many::<3>();
    let retry = Retry::new().count(3).delay(20 * MS).jitter(Duration::ZERO);
    let buffer = engine(&servers).buffer(retry).connect().await.unwrap();
    buffer.using("warm", async |_| ()).await.unwrap();
    within(SECOND, "nothing is left", || are_clean(&servers)).await;
    // Held for ever, which no server announces the end of: asked again after each delay.
    for server in &servers {
        let mut control = server.control();
        control.ask::<()>(&["SET", &key("key1"), "for ever"]);
        control.forget_calls();
    }
    let gave_up = buffer.lock("key1").acquire().await.unwrap_err();
    let LockError::Timeout { attempts, .. } = gave_up else {
        panic!("{gave_up}");
    };
    assert_eq!(attempts, 3);
    for server in &servers {
        // One call for each attempt, and a release where the others had decided before it answered.
        let calls = server.control().calls_of("evalsha");
        assert!((3..=6).contains(&calls), "{calls}");
    }
}

#[tokio::test]
async fn a_process_that_comes_and_goes_does_not_starve_another() {
    let servers = [Server::start()];
    let (busy, patient) = (buffer(&servers).await, buffer(&servers).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let busy = busy.clone();
        tasks.spawn(async move {
            loop {
                let lock = busy.lock("key1").acquire().await.unwrap();
                sleep(MS).await;
                lock.release().await.unwrap();
            }
        });
    }
    sleep(50 * MS).await;
    for _ in 0..5 {
        let begun = Instant::now();
        let lock = patient.lock("key1").wait(10 * SECOND).acquire().await;
        lock.unwrap().release().await.unwrap();
        assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
    }
    tasks.shutdown().await;
    within(SECOND, "no key is left", || are_clean(&servers)).await;
}

#[tokio::test]
async fn a_user_without_the_rights_to_keep_an_order_waits_without_one() {
    let rules = "on >pw resetkeys ~redis_* -@all +evalsha +eval +get +getex +set +del +incrby +time +pttl +pexpire +pexpireat +ping";
    let server = Server::with().user("app", rules).start();
    let builder = klg_lock::Redlock::builder().nodes([server.uri_as("app", "pw")]);
    let restricted = builder.buffer(Retry::default()).connect().await.unwrap();
    let servers = [server];
    let holder = mutex(&servers).await;
    for _ in 0..2 {
        let held = holder.lock("key1").acquire().await.unwrap();
        let request = restricted.lock("key1").wait(10 * SECOND);
        let waiting = tokio::spawn(async move { request.acquire().await });
        sleep(100 * MS).await;
        assert!(!waiting.is_finished());
        held.release().await.unwrap();
        waiting.await.unwrap().unwrap().release().await.unwrap();
    }
}
