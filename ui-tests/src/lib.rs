//! What the cases share: a registry in memory, an error type, and a journal of what happened.

use std::future::Future;
use std::sync::Mutex;

use klg_lock::{Config, LockError, Registry};

/// An application's error, as `thiserror` makes it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Runs `body` with a registry of its own on `memory://`, and then checks that no lock is left.
///
/// # Panics
/// When something is still held in the end.
pub fn on_memory<F: Future>(body: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let registry = Registry::builder()
            .config(Config::default().uri("memory://"))
            .build()
            .await
            .expect("a registry in memory");
        let bound = registry.bind_runtime();
        let output = body.await;
        assert_eq!(registry.mutex().held(), 0, "locks are left behind");
        drop(bound);
        registry.shutdown().await.expect("an orderly end");
        output
    })
}

/// Whether `resource` is locked now.
///
/// # Panics
/// When the registry cannot be asked.
pub async fn is_locked(resource: &str) -> bool {
    let registry = klg_lock::registry().expect("a registry");
    let inspection = registry.mutex().inspect(resource).await;
    inspection.expect("an answer").is_some()
}

/// How many resources are locked now.
///
/// # Panics
/// When there is no registry.
pub fn locked() -> usize {
    klg_lock::registry().expect("a registry").mutex().held()
}

static JOURNAL: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes a line into the journal.
///
/// # Panics
/// When a writer panicked.
pub fn note(line: impl Into<String>) {
    JOURNAL.lock().expect("the journal").push(line.into());
}

/// What was written since the last look.
///
/// # Panics
/// When a writer panicked.
pub fn journal() -> Vec<String> {
    std::mem::take(&mut *JOURNAL.lock().expect("the journal"))
}

/// An argument that notes when it is dropped, and whether that is under the lock.
#[derive(Debug)]
pub struct Probe(
    /// Its name in the journal.
    pub &'static str,
);

impl Drop for Probe {
    fn drop(&mut self) {
        let when = if locked() > 0 {
            "under the lock"
        } else {
            "free"
        };
        note(format!("{} dropped {when}", self.0));
    }
}

/// Demands that a future can be spawned.
pub fn send<F: Future + Send>(future: F) -> F {
    future
}
