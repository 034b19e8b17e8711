//! What the attributes cost: no allocation but the key, which the engine keeps (at most two in a call
//! are promised).

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, on_memory};

struct Order {
    number: u64,
    lines: Vec<u8>,
}

#[mutex_lock("order:1234567:north")]
async fn literal() -> Result<(), AppError> {
    Ok(())
}

#[mutex_lock("order:{order.number}:{name}", ttl = "10s")]
async fn placeholders(order: &Order, name: &str) -> Result<usize, AppError> {
    Ok(order.lines.len())
}

#[mutex_lock(scope = "account", guard = lock)]
async fn marked(#[lock_key] from: u64, #[lock_key] to: u64) -> Result<bool, AppError> {
    Ok(lock.is_valid())
}

/// A future whose polls are counted by what they allocate.
struct Counted<'a, F> {
    future: Pin<&'a mut F>,
    allocations: u64,
}

impl<F: Future> Future for Counted<'_, F> {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let mut done = false;
        let counted = allocation_counter::measure(|| {
            done = self.future.as_mut().poll(cx).is_ready();
        });
        self.allocations += counted.count_total;
        if done {
            Poll::Ready(self.allocations)
        } else {
            Poll::Pending
        }
    }
}

/// The least that a call allocates: what only some do, such as a table that grows, does not count.
async fn least<F: Future>(call: impl Fn() -> F) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..64 {
        let future = pin!(async { drop(call().await) });
        let counted = Counted {
            future,
            allocations: 0,
        };
        least = least.min(counted.await);
    }
    least
}

#[test]
fn a_call_allocates_no_more_than_the_same_by_hand() {
    on_memory(async {
        let order = Order {
            number: 1_234_567,
            lines: vec![1],
        };
        let name = "north";
        // The same by hand, with keys that are there already: moving them in costs nothing.
        let by_hand = |keys: fn() -> Vec<String>| {
            move || {
                let keys = keys();
                async move {
                    let mutex = klg_lock::registry()?.mutex();
                    mutex
                        .lock(keys)
                        .try_using(|_| async { Ok::<_, AppError>(()) })
                        .await
                }
            }
        };
        let one = least(by_hand(|| vec!["order:1234567:north".to_owned()])).await;
        let two = least(by_hand(|| {
            vec!["account:1".to_owned(), "account:2".to_owned()]
        }))
        .await;
        let calls = [
            (one, least(literal).await),
            (one, least(|| placeholders(&order, name)).await),
            (two, least(|| marked(1, 2)).await),
        ];
        for (engine, call) in calls {
            assert!(call <= engine, "by hand and by attribute: {calls:?}");
        }
    });
}
