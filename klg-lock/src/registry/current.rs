//! Which registry is the current one: that of a scope, of the runtime, or the global one.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use once_cell::sync::OnceCell;
use tokio::runtime::{Handle, Id};

use super::Registry;
use crate::config::Config;
use crate::error::{Error, LockError};
use crate::sync::lock;

static GLOBAL: OnceCell<Registry> = OnceCell::new();

tokio::task_local! {
    static SCOPED: Registry;
}

/// Makes a registry and has it be the global one, which [`registry`] and the attributes use.
///
/// Call it once, in `main`, inside the runtime that the program goes on running in.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use klg_lock::Config;
///
/// klg_lock::init(Config::default().uri("memory://")).await?; // or Config::from_env()?
/// let sum = klg_lock::registry()?.mutex().using("key1", |_lock| async { 1 + 1 }).await?;
/// assert_eq!(sum, 2);
/// klg_lock::registry()?.shutdown().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::AlreadyInitialized`] the second time; else those of
/// [`RegistryBuilder::build`](super::RegistryBuilder::build).
///
/// # Cancel safety
/// Dropping the future leaves nothing behind; `init` can then be called again.
pub async fn init(config: Config) -> Result<(), Error> {
    if GLOBAL.get().is_some() {
        return Err(Error::AlreadyInitialized);
    }
    let registry = Registry::builder().config(config).build().await?;
    // Two calls at the same time: the first to get here wins.
    GLOBAL.set(registry).map_err(|_| Error::AlreadyInitialized)
}

/// The current registry: that of the surrounding [`Registry::scope`], else the one bound to this
/// tokio runtime ([`Registry::bind_runtime`]), else the global one ([`init`]).
///
/// # Errors
/// [`LockError::NotInitialized`] when there is none.
pub fn registry() -> Result<Registry, LockError> {
    if let Ok(registry) = SCOPED.try_with(Registry::clone) {
        return Ok(registry);
    }
    bound()
        .or_else(|| GLOBAL.get().cloned())
        .ok_or(LockError::NotInitialized)
}

/// Runs `future` under the registry that is current here by [`Registry::scope`], also in a task of
/// its own.
pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    let scoped = SCOPED.try_with(Registry::clone).ok();
    async move {
        match scoped {
            Some(registry) => SCOPED.scope(registry, future).await,
            None => future.await,
        }
    }
}

/// Registries bound to runtimes.
fn bindings() -> &'static Mutex<HashMap<Id, Registry>> {
    static BINDINGS: OnceLock<Mutex<HashMap<Id, Registry>>> = OnceLock::new();
    BINDINGS.get_or_init(Mutex::default)
}

fn bound() -> Option<Registry> {
    let bindings = lock(bindings());
    if bindings.is_empty() {
        return None;
    }
    bindings.get(&Handle::try_current().ok()?.id()).cloned()
}

impl Registry {
    /// Has this registry be the current one inside `future`; not in tasks that it spawns.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = klg_lock::Config::default().uri("memory://");
    /// # let registry = klg_lock::Registry::builder().config(config).build().await?;
    /// let held = registry.scope(async {
    ///     let lock = klg_lock::registry()?.mutex().lock("key1").acquire().await?;
    ///     Ok::<_, klg_lock::LockError>(lock.is_valid())
    /// });
    /// assert!(held.await?);
    /// # Ok(()) }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        SCOPED.scope(self.clone(), future)
    }

    /// Has this registry be the current one for all that runs on the current tokio runtime, spawned
    /// tasks and `spawn_blocking` included, until the guard is dropped: so tests run side by side.
    ///
    /// Outside a runtime it binds nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = klg_lock::Config::default().uri("memory://");
    /// # let registry = klg_lock::Registry::builder().config(config).build().await?;
    /// let _bound = registry.bind_runtime(); // in a test: the first line after building the registry
    /// let known = tokio::spawn(async { klg_lock::registry().is_ok() });
    /// assert!(known.await?);
    /// # Ok(()) }
    /// ```
    #[must_use = "the binding ends when the guard is dropped"]
    pub fn bind_runtime(&self) -> RuntimeBinding {
        let id = Handle::try_current().ok().map(|handle| handle.id());
        let before = id.and_then(|id| lock(bindings()).insert(id, self.clone()));
        RuntimeBinding { id, before }
    }
}

/// Ends what [`Registry::bind_runtime`] began when it is dropped.
#[must_use = "the binding ends when the guard is dropped"]
#[derive(Debug)]
pub struct RuntimeBinding {
    id: Option<Id>,
    before: Option<Registry>,
}

impl Drop for RuntimeBinding {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let mut bindings = lock(bindings());
        match self.before.take() {
            Some(before) => drop(bindings.insert(id, before)),
            None => drop(bindings.remove(&id)),
        }
    }
}
