//! `on_locked` for contention and time-out, with the arguments; `on_error` for every other error of the
//! lock; with both, the function need not return a `Result`.
#![deny(warnings)]

use klg_lock::{LockError, buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, Probe, journal, on_memory, send};

#[mutex_lock("report", on_locked = Ok(format!("skipped {day}")))]
async fn skip(day: String, _probe: Probe) -> Result<String, AppError> {
    Ok(day)
}

#[buffer_lock("report", wait = "20ms", on_locked = Ok(day))]
async fn give_up((day, _): (String, u8)) -> Result<String, AppError> {
    Ok(day + " done")
}

#[mutex_lock("{key}", on_locked = 1, on_error = |error: LockError| error.to_string().len())]
async fn plain(key: &str) -> usize {
    0
}

#[mutex_lock("{key}", on_locked = (), on_error = |_| ())]
async fn nothing(key: &str, ran: &mut bool) {
    *ran = true;
}

#[mutex_lock("{key}", on_locked = None, on_error = failed)]
async fn option(key: &str, number: u8) -> Option<u8> {
    (number > 0).then_some(number)
}

fn failed(_: LockError) -> Option<u8> {
    Some(255)
}

#[mutex_lock("{key}", on_error = |error| { assert!(matches!(error, LockError::InvalidKey { .. })); Ok(number) })]
async fn only_errors(key: &str, number: u8) -> Result<u8, AppError> {
    Ok(number + 1)
}

fn main() {
    on_memory(async {
        let mutex = klg_lock::registry().unwrap().mutex();
        assert_eq!(send(skip("mon".into(), Probe("p"))).await.unwrap(), "mon");
        assert_eq!(send(give_up(("mon".into(), 1))).await.unwrap(), "mon done");
        let mut ran = false;
        send(nothing("report", &mut ran)).await;
        assert!(ran);
        assert_eq!(journal(), ["p dropped under the lock"]);

        let held = mutex.lock("report").acquire().await.unwrap();
        assert_eq!(skip("mon".into(), Probe("p")).await.unwrap(), "skipped mon");
        assert_eq!(give_up(("mon".into(), 1)).await.unwrap(), "mon");
        assert_eq!(plain("report").await, 1);
        let mut ran = false;
        nothing("report", &mut ran).await;
        assert!(!ran);
        assert_eq!(option("report", 1).await, None);
        held.release().await.unwrap();

        assert_eq!(send(plain("free")).await, 0);
        assert!(plain("").await > 1);
        assert_eq!(option("", 1).await, Some(255));
        assert_eq!(option("free", 0).await, None);
        assert_eq!(only_errors("", 1).await.unwrap(), 1);
        assert_eq!(only_errors("free", 1).await.unwrap(), 2);
    });
}
