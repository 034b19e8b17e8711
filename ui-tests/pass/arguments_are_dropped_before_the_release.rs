//! Arguments are dropped before the lock is released: used or not, moved or not, taken apart or not,
//! `self` too; in the order in which a function without the attribute drops them.
#![deny(warnings)]
#![allow(dead_code, unused_variables)]

use klg_lock::mutex_lock;
use klg_lock_ui_tests::{AppError, Probe, journal, note, on_memory};

struct Service {
    used: Probe,
    unused: Probe,
}

struct Parts {
    taken: Probe,
    left: Probe,
}

/// Taken apart, it is still dropped itself.
struct Whole(u8, &'static str);

impl Drop for Whole {
    fn drop(&mut self) {
        drop(Probe(self.1));
    }
}

impl Service {
    #[mutex_lock("drops")]
    async fn with(
        self,
        unused: Probe,
        _: Probe,
        _underscored: Probe,
        moved: Probe,
        Parts { taken, .. }: Parts,
        Whole(number, _): Whole,
        (_, kept): (Probe, Probe),
        mut last: Vec<Probe>,
    ) -> Result<u8, AppError> {
        drop(moved);
        last.push(Probe("pushed"));
        note(format!("body {} {} {}", self.used.0, taken.0, kept.0));
        Ok(number)
    }
}

async fn without(
    service: Service,
    unused: Probe,
    _: Probe,
    _underscored: Probe,
    moved: Probe,
    Parts { taken, .. }: Parts,
    Whole(number, _): Whole,
    (_, kept): (Probe, Probe),
    mut last: Vec<Probe>,
) -> Result<u8, AppError> {
    drop(moved);
    last.push(Probe("pushed"));
    note(format!("body {} {} {}", service.used.0, taken.0, kept.0));
    Ok(number)
}

macro_rules! call {
    ($f:path) => {
        $f(
            Service {
                used: Probe("self.used"),
                unused: Probe("self.unused"),
            },
            Probe("unused"),
            Probe("wild"),
            Probe("underscored"),
            Probe("moved"),
            Parts {
                taken: Probe("taken"),
                left: Probe("left"),
            },
            Whole(3, "whole"),
            (Probe("not kept"), Probe("kept")),
            vec![Probe("last")],
        )
    };
}

#[mutex_lock("drops")]
async fn fails(probe: Probe) -> Result<(), AppError> {
    if !probe.0.is_empty() {
        return Err(AppError::Other("failed".into()));
    }
    Ok(())
}

#[mutex_lock("drops")]
async fn panics(probe: Probe, _: Probe) -> Result<(), AppError> {
    panic!("{}", probe.0);
}

#[mutex_lock("drops")]
async fn waits(probe: Probe, _: Probe) -> Result<(), AppError> {
    std::future::pending::<()>().await;
    drop(probe);
    Ok(())
}

fn main() {
    on_memory(async {
        assert_eq!(call!(Service::with).await.unwrap(), 3);
        let under_lock = journal();
        call!(without).await.unwrap();
        let plain: Vec<String> = journal()
            .into_iter()
            .map(|line| line.replace("free", "under the lock"))
            .collect();
        assert_eq!(under_lock, plain);
        assert_eq!(under_lock.len(), 14, "{under_lock:#?}");

        fails(Probe("argument")).await.unwrap_err();
        assert_eq!(journal(), ["argument dropped under the lock"]);

        let task = tokio::spawn(panics(Probe("first"), Probe("second")));
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(
            journal(),
            [
                "second dropped under the lock",
                "first dropped under the lock"
            ]
        );

        let task = tokio::spawn(waits(Probe("first"), Probe("second")));
        while klg_lock_ui_tests::locked() == 0 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(
            journal(),
            [
                "second dropped under the lock",
                "first dropped under the lock"
            ]
        );
    });
}
