//! The trouble of a world: one server after the other gets something wrong with it.

use std::sync::Arc;
use std::time::Duration;

use klg_lock::testing::{Memory, MemoryServer};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

use super::history::History;
use super::plan::{Faults, Plan, ms, up_to};

/// Parts per million by which a clock may be wrong, inside the drift factor of 1 %.
const DRIFT: i32 = 9_000;

/// Makes trouble for as long as the plan says; afterwards everything is in order.
pub async fn trouble(plan: Plan, servers: Arc<[MemoryServer]>, history: History) {
    let until = Instant::now() + plan.trouble;
    let makers: Vec<_> = (0..servers.len())
        .map(|index| {
            let rng = SmallRng::seed_from_u64(
                plan.seed
                    .wrapping_mul(31)
                    .wrapping_add(1_000 + index as u64),
            );
            let maker = Maker {
                plan: plan.clone(),
                index,
                server: servers[index].clone(),
                history: history.clone(),
                rng,
            };
            tokio::spawn(maker.run(until))
        })
        .collect();
    for maker in makers {
        maker.await.unwrap();
    }
}

struct Maker {
    plan: Plan,
    index: usize,
    server: MemoryServer,
    history: History,
    rng: SmallRng,
}

impl Maker {
    async fn run(mut self, until: Instant) {
        self.usual();
        if self.plan.faults != Faults::None {
            let drift = self.rng.random_range(-DRIFT..=DRIFT);
            self.server.drift(drift);
            while Instant::now() < until {
                let calm = up_to(&mut self.rng, ms(800));
                sleep(calm).await;
                let left = until.saturating_duration_since(Instant::now());
                let longest = *super::plan::pick(&mut self.rng, &[ms(20), ms(200), ms(1_000)]);
                let lasts = up_to(&mut self.rng, longest).min(left);
                self.one(lasts).await;
                self.server.heal();
                self.usual();
                self.history.fault_ends(self.index);
            }
        }
    }

    /// What is always there: delays, and what the plan has as its peculiarity.
    fn usual(&self) {
        if !self.plan.delay.is_zero() {
            self.server.delay_requests(Duration::ZERO..=self.plan.delay);
            self.server.delay_replies(Duration::ZERO..=self.plan.delay);
        }
        if self.plan.silent {
            self.server.lose_pushes();
        }
    }

    async fn one(&mut self, lasts: Duration) {
        let kinds = if self.plan.faults == Faults::Memory {
            15
        } else {
            9
        };
        let kind = self.rng.random_range(0..kinds);
        let server = self.server.clone();
        // What follows is no failure to answer.
        if !matches!(kind, 6..=8 | 13 | 14) {
            self.history.fault_begins(self.index);
        }
        match kind {
            0 => server.lose_requests(self.rng.random_range(0.05..0.9)),
            1 => server.lose_replies(self.rng.random_range(0.05..0.9)),
            2 => {
                server.lose_requests(0.2);
                server.lose_replies(0.2);
                server.delay_replies(Duration::ZERO..=self.plan.deadline * 2);
            }
            3 => server.hang(),
            4 => server.crash(Memory::Kept),
            5 => {
                let kinds = [
                    klg_lock::NodeErrorKind::Loading,
                    klg_lock::NodeErrorKind::ReadOnly,
                    klg_lock::NodeErrorKind::Unreachable,
                ];
                server.fail(*super::plan::pick(&mut self.rng, &kinds));
            }
            6 => server.duplicate_requests(0.5),
            7 => server.lose_pushes(),
            8 => server.delay_pushes(Duration::ZERO..=ms(300)),
            9 => {
                self.history.forgets(server.time());
                server.crash(Memory::Lost);
            }
            10 => {
                let before = server.snapshot();
                sleep(lasts).await;
                self.history.rolls_back();
                server.roll_back(&before);
                return;
            }
            11 => {
                let by = up_to(&mut self.rng, self.plan.longest_ttl());
                server.step_forward(by);
            }
            12 => {
                let by = up_to(&mut self.rng, self.plan.longest_ttl());
                server.step_back(by);
            }
            13 => {
                for _ in 0..3 {
                    let resource = self.rng.random_range(0..self.plan.resources);
                    server.delete(&super::world::lock_key(resource));
                    let pause = up_to(&mut self.rng, lasts);
                    sleep(pause).await;
                }
            }
            _ => {
                self.history.forgets(server.time());
                server.flush();
            }
        }
        sleep(lasts).await;
    }
}
