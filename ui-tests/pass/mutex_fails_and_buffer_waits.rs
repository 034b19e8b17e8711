//! A mutex lock fails at once when the resource is held; a buffer lock waits its turn; `wait` says
//! otherwise for either.
#![deny(warnings)]

use std::time::Instant;

use klg_lock::{LockError, buffer_lock, mutex_lock};
use klg_lock_ui_tests::{AppError, on_memory};
use tokio::time::{Duration, sleep};

#[mutex_lock("r")]
async fn mutex(hold: Duration) -> Result<(), AppError> {
    sleep(hold).await;
    Ok(())
}

#[buffer_lock("r")]
async fn buffer(hold: Duration) -> Result<(), AppError> {
    sleep(hold).await;
    Ok(())
}

#[mutex_lock("r", wait = "5s")]
async fn patient() -> Result<(), AppError> {
    Ok(())
}

#[buffer_lock("r", wait = "20ms")]
async fn impatient() -> Result<(), AppError> {
    Ok(())
}

fn main() {
    on_memory(async {
        let hold = Duration::from_millis(100);
        let (one, other) = tokio::join!(mutex(hold), mutex(hold));
        one.unwrap();
        assert!(matches!(
            other,
            Err(AppError::Lock(LockError::Contended { .. }))
        ));

        let began = Instant::now();
        let (a, b, c) = tokio::join!(buffer(hold), buffer(hold), buffer(hold));
        a.and(b).and(c).unwrap();
        assert!(began.elapsed() >= hold * 3);

        let (held, patient, impatient) = tokio::join!(mutex(hold), patient(), impatient());
        held.and(patient).unwrap();
        assert!(matches!(
            impatient,
            Err(AppError::Lock(LockError::Timeout { .. }))
        ));
    });
}
