//! One task of one process: asks for locks, holds them, gives up, vanishes.

use std::time::Duration;

use klg_lock::{Lock, LockError, LockHandle, LockRequest, OnLost, Redlock, Retry};
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::{sleep, timeout};

use super::history::History;
use super::plan::{Faults, Plan, ms, pick, up_to};

/// Longer than any world lasts.
const FOR_EVER: Duration = ms(3_600_000);

pub struct Client {
    pub plan: Plan,
    pub engine: Redlock,
    pub number: usize,
    pub history: History,
    pub rng: SmallRng,
}

/// What a request does with its lock.
#[derive(Clone, Copy, Debug)]
struct Use {
    hold: Duration,
    extend: Option<Duration>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Release,
    Drop,
    DropInThread,
    UntilLost,
}

impl Client {
    pub async fn run(mut self) {
        for _ in 0..self.plan.rounds {
            let pause = up_to(&mut self.rng, self.plan.trouble / self.plan.rounds);
            sleep(if self.rng.random_bool(0.3) {
                Duration::ZERO
            } else {
                pause
            })
            .await;
            self.round().await;
        }
    }

    async fn round(&mut self) {
        let rng = &mut self.rng;
        let mut resources: Vec<usize> = (0..self.plan.resources).collect();
        while resources.len() > 1 && rng.random_bool(0.7) {
            resources.remove(rng.random_range(0..resources.len()));
        }
        let names: Vec<String> = resources
            .iter()
            .map(|number| format!("r{number}"))
            .collect();
        let ttl = rng.random_range(self.plan.ttl.clone());
        let waits = self.plan.steadfast || rng.random_bool(0.7);
        let steadfast = waits && (self.plan.steadfast || rng.random_bool(0.6));
        let engine = if waits {
            self.engine.as_buffer()
        } else {
            self.engine.as_mutex()
        };
        let auto = rng.random_bool(0.7);
        let mut request = engine.lock(names).ttl(ttl).auto_extend(auto);
        if waits {
            let wait = if steadfast {
                FOR_EVER
            } else {
                up_to(rng, ms(600)) + ms(1)
            };
            request = request.retry(Retry::default().wait(wait).delay(ms(40)).jitter(ms(40)));
        }
        request = request.fair(rng.random_bool(0.2));
        let bounded = rng.random_bool(0.15);
        if bounded {
            request = request.max_hold(up_to(rng, ttl * 2) + ms(5));
        }
        let gives_up = !self.plan.steadfast && rng.random_bool(0.25);
        let steadfast = steadfast && !gives_up;
        let longest = *pick(rng, &[ms(0), ms(5), ms(50), ttl * 2]);
        let how = Use {
            hold: up_to(rng, longest),
            extend: rng.random_bool(0.2).then(|| up_to(rng, ttl) + ms(5)),
            end: *pick(
                rng,
                &[
                    End::Release,
                    End::Release,
                    End::Drop,
                    End::DropInThread,
                    End::UntilLost,
                ],
            ),
        };
        let patience = *pick(rng, &[ms(2), ms(20), ms(500)]);
        let gives_up = gives_up.then(|| up_to(rng, patience));
        let id = self.history.asked(self.number, &resources, steadfast);
        if rng.random_bool(0.5) {
            let handle_losses = !bounded && auto;
            self.guard(id, request, how, gives_up, handle_losses).await;
        } else {
            self.body(id, request, how, gives_up).await;
        }
    }

    async fn guard(
        &self,
        id: usize,
        request: LockRequest,
        how: Use,
        gives_up: Option<Duration>,
        kept: bool,
    ) {
        let acquired = async {
            let lock = request.acquire().await?;
            self.history.locked(id, &lock, false);
            Ok::<Lock, LockError>(lock)
        };
        let outcome = match gives_up {
            Some(after) => timeout(after, acquired).await,
            None => Ok(acquired.await),
        };
        let lock = match outcome {
            Ok(Ok(lock)) => lock,
            Ok(Err(error)) => return self.history.failed(id, &error),
            Err(_) => return self.history.over(id, true),
        };
        if let Some(by) = how.extend {
            sleep(how.hold / 2).await;
            let before = lock.remaining();
            let valid = lock.is_valid();
            if let Err(error) = lock.extend(by).await {
                let lost = matches!(error, LockError::Lost { .. });
                if lost && valid && lock.is_valid() {
                    self.history.report(format!(
                        "request {id} was told of a loss with {before:?} left: {error}"
                    ));
                }
            }
        }
        sleep(how.hold).await;
        match how.end {
            End::Drop => drop(lock),
            End::DropInThread => {
                let dropped = std::thread::spawn(move || drop(lock));
                dropped.join().unwrap();
            }
            End::UntilLost if !kept => lock.lost().await,
            End::Release | End::UntilLost => {
                let left = lock.remaining();
                let valid = lock.is_valid();
                let released = lock.release().await;
                let error = released.err();
                match error {
                    Some(LockError::Lost { .. }) if valid && self.plan.faults != Faults::Memory => {
                        self.history.report(format!(
                            "request {id} released a lock with {left:?} left, and was told that it was lost"
                        ));
                    }
                    Some(error @ LockError::Unavailable { .. })
                        if self.plan.faults == Faults::None =>
                    {
                        self.history
                            .report(format!("request {id}'s release failed: {error}"));
                    }
                    _ => {}
                }
            }
        }
        self.history.over(id, false);
    }

    async fn body(
        &mut self,
        id: usize,
        request: LockRequest,
        how: Use,
        gives_up: Option<Duration>,
    ) {
        let signal = self.rng.random_bool(0.2);
        let deferred = self.rng.random_bool(0.3);
        let on_lost = if signal {
            OnLost::Signal
        } else {
            OnLost::Cancel
        };
        let history = self.history.clone();
        let running = request
            .on_lost(on_lost)
            .deferred_release(deferred)
            .using(|lock| {
                let history = history.clone();
                async move {
                    history.locked(id, &lock, !signal);
                    let _running = Running {
                        history: history.clone(),
                        id,
                    };
                    for _ in 0..4 {
                        sleep(how.hold / 4).await;
                        check(&history, id, &lock, signal);
                    }
                    if let Some(by) = how.extend {
                        let _ = lock.extend(by).await;
                        check(&history, id, &lock, signal);
                        sleep(how.hold / 4).await;
                        check(&history, id, &lock, signal);
                    }
                }
            });
        let outcome = match gives_up {
            Some(after) => timeout(after, running).await,
            None => Ok(running.await),
        };
        match outcome {
            Ok(Ok(())) => self.history.over(id, false),
            Ok(Err(error)) => self.history.failed(id, &error),
            Err(_) => self.history.over(id, true),
        }
    }
}

/// A body that is to be cancelled is never polled without the lock.
fn check(history: &History, id: usize, lock: &LockHandle, signal: bool) {
    if !signal && !lock.is_valid() {
        history.report(format!("request {id}'s body ran without its lock"));
    }
}

/// Lives as long as a body does.
struct Running {
    history: History,
    id: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.history.body_ended(self.id);
    }
}
