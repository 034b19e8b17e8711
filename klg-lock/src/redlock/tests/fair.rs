//! Fair requests: one order across engines.

use std::sync::Arc;
use std::time::Duration;

use super::engine;

#[tokio::test(start_paused = true)]
async fn fair_requests_are_served_in_the_order_in_which_they_came_across_engines() {
    let engines = [
        engine(&["memory://fair"]).await.as_buffer(),
        engine(&["memory://fair"]).await.as_buffer(),
        engine(&["memory://fair"]).await.as_buffer(),
    ];
    let first = engines[0].lock("k").acquire().await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for i in 0..30_usize {
        let (redlock, order) = (engines[i % 3].clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let request = redlock.lock("k").fair(true);
            request
                .using(|_| async move {
                    order.lock().unwrap().push(i);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                })
                .await
                .unwrap();
        }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Two give up in the middle; nobody waits for them.
    tasks[7].abort();
    tasks[20].abort();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let began = tokio::time::Instant::now();
    first.release().await.unwrap();
    for (i, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.is_ok(), i != 7 && i != 20);
    }
    let expected: Vec<usize> = (0..30).filter(|i| *i != 7 && *i != 20).collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert!(
        began.elapsed() < Duration::from_millis(28 * 4 + 100),
        "{:?}",
        began.elapsed()
    );
    let server = crate::testing::MemoryServer::named("fair");
    assert!(
        server.keys().iter().all(|key| key.contains("fence")),
        "{:?}",
        server.keys()
    );
}

#[tokio::test(start_paused = true)]
async fn a_fair_waiter_whose_process_died_is_passed_over() {
    let dead = engine(&["memory://fair-dead"]).await.as_buffer();
    let alive = engine(&["memory://fair-dead"]).await.as_buffer();
    let holder = engine(&["memory://fair-dead"])
        .await
        .lock("k")
        .acquire()
        .await
        .unwrap();
    // A process that dies says nothing: a future that is forgotten gives no place up.
    let mut asking = Box::pin(dead.lock("k").fair(true).acquire());
    assert!(
        tokio::time::timeout(Duration::from_millis(10), &mut asking)
            .await
            .is_err()
    );
    std::mem::forget(asking);
    let waiter = tokio::spawn(async move { alive.lock("k").fair(true).acquire().await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let began = tokio::time::Instant::now();
    holder.release().await.unwrap();
    let _lock = waiter.await.unwrap().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
}
