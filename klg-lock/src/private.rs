//! What the attributes expand to, and nobody else may use: it changes without notice.
//!
//! The expansion stays thin because this module does the work: it finds the engine, builds the key,
//! and turns an error of the lock into what the function returns.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use crate::redlock::Entered;
pub use crate::redlock::{LockHandle, OnLost};
use crate::{IntoResources, LockError, LockRequest, Redlock, registry};

/// Where most keys fit in, so that building one is one allocation.
const USUAL_KEY: usize = 64;

/// The current registry's mutex engine.
pub fn mutex() -> Result<Redlock, LockError> {
    Ok(registry()?.mutex())
}

/// The current registry's buffer engine.
pub fn buffer() -> Result<Redlock, LockError> {
    Ok(registry()?.buffer())
}

/// The mutex engine of a named client.
pub fn mutex_on(client: &str) -> Result<Redlock, LockError> {
    registry()?.mutex_on(client)
}

/// The buffer engine of a named client.
pub fn buffer_on(client: &str) -> Result<Redlock, LockError> {
    registry()?.buffer_on(client)
}

/// An engine of the user's own, of whichever kind, as a mutex.
pub fn mutex_of(engine: &Redlock) -> Result<Redlock, LockError> {
    Ok(engine.as_mutex())
}

/// An engine of the user's own, of whichever kind, as a buffer.
pub fn buffer_of(engine: &Redlock) -> Result<Redlock, LockError> {
    Ok(engine.as_buffer())
}

/// A request, or why there can be none, which is told when it is carried out.
#[derive(Debug)]
pub struct Request(Result<LockRequest, LockError>);

impl Request {
    /// A request to `engine` for one resource or several.
    pub fn new<K: IntoResources>(engine: Result<Redlock, LockError>, resources: K) -> Self {
        Self(engine.map(|engine| engine.lock(resources)))
    }

    /// See [`LockRequest::ttl`].
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|request| request.ttl(ttl))
    }

    /// See [`LockRequest::wait`].
    #[must_use]
    pub fn wait(self, wait: Duration) -> Self {
        self.with(|request| request.wait(wait))
    }

    /// See [`LockRequest::max_hold`].
    #[must_use]
    pub fn max_hold(self, max_hold: Duration) -> Self {
        self.with(|request| request.max_hold(max_hold))
    }

    /// See [`LockRequest::fair`].
    #[must_use]
    pub fn fair(self, fair: bool) -> Self {
        self.with(|request| request.fair(fair))
    }

    /// See [`LockRequest::auto_extend`].
    #[must_use]
    pub fn auto_extend(self, auto_extend: bool) -> Self {
        self.with(|request| request.auto_extend(auto_extend))
    }

    /// See [`LockRequest::on_lost`].
    #[must_use]
    pub fn on_lost(self, on_lost: OnLost) -> Self {
        self.with(|request| request.on_lost(on_lost))
    }

    fn with(self, option: impl FnOnce(LockRequest) -> LockRequest) -> Self {
        Self(self.0.map(option))
    }
}

/// Acquires, runs `routine`, releases; an error of the lock becomes what `carry` makes of it.
pub async fn run<F, Fut>(
    request: Request,
    routine: F,
    carry: fn(LockError) -> Fut::Output,
) -> Fut::Output
where
    F: FnOnce(LockHandle) -> Fut,
    Fut: Future,
{
    let result = match request.0 {
        Ok(request) => request.using(routine).await,
        Err(error) => Err(error),
    };
    result.unwrap_or_else(carry)
}

/// Acquires alone: the routine, and what it takes with it, is made only once there is a lock.
pub async fn enter(request: Request) -> Result<Held, LockError> {
    request.0?.enter().await.map(Held)
}

/// A lock for a routine.
#[derive(Debug)]
pub struct Held(Entered);

impl Held {
    /// Runs `routine`, and releases.
    pub async fn run<F, Fut>(self, routine: F) -> Result<Fut::Output, LockError>
    where
        F: FnOnce(LockHandle) -> Fut,
        Fut: Future,
    {
        self.0.run(routine).await
    }
}

/// Whether somebody else holds the lock: what `on_locked` is for.
#[must_use]
pub fn is_locked(error: &LockError) -> bool {
    matches!(
        error,
        LockError::Contended { .. } | LockError::Timeout { .. }
    )
}

/// The value of `on_locked`, as what the function returns.
#[must_use]
pub fn instead<R>(value: R) -> R {
    value
}

/// What `on_error` makes of the error.
#[must_use]
pub fn handle<R>(error: LockError, handler: impl FnOnce(LockError) -> R) -> R {
    handler(error)
}

/// The error, as what the function returns.
#[must_use]
pub fn carry<R: Outcome>(error: LockError) -> R {
    R::from_lock_error(error)
}

/// What a function under a lock returns: a `Result` whose error can carry that of the lock.
#[diagnostic::on_unimplemented(
    message = "a function under a lock returns a `Result`, not `{Self}`",
    label = "cannot say that there was no lock",
    note = "let it return `Result<T, E>` with `E: From<klg_lock::LockError>`",
    note = "or say in the attribute what to return instead, with both `on_locked = ..` and `on_error = |error| ..`"
)]
pub trait Outcome {
    /// The error instead of a value.
    fn from_lock_error(error: LockError) -> Self;
}

impl<T, E: CarriesLockError> Outcome for Result<T, E> {
    fn from_lock_error(error: LockError) -> Self {
        Err(E::carry(error))
    }
}

/// `From<LockError>`, in words of our own where it is missing.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot carry the error of a lock",
    label = "does not implement `From<klg_lock::LockError>`",
    note = "implement `From<klg_lock::LockError>` for it (a type parameter takes that as a bound); with `thiserror` it is a variant: `#[error(transparent)] Lock(#[from] klg_lock::LockError)`"
)]
pub trait CarriesLockError {
    /// The conversion.
    fn carry(error: LockError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<LockError>> CarriesLockError for E {
    fn carry(error: LockError) -> Self {
        Self::from(error)
    }
}

/// `Display`, in words of our own where it is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key",
    label = "does not implement `Display`",
    note = "a key is made of what implements `Display`; a field is named with `{{arg.field}}` in the key, or with `#[lock_key(\"field\")]` or `#[cache_key(\"field\")]` on the parameter"
)]
pub trait KeyPart {
    /// Writes it behind what is there.
    fn write_to(&self, key: &mut String) -> fmt::Result;
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> KeyPart for T {
    fn write_to(&self, key: &mut String) -> fmt::Result {
        write!(key, "{self}")
    }
}

/// The key that `parts` make up, behind `scope` and a colon where there is one.
///
/// Without parts that write anything it is empty whatever the scope, and is refused as such; so is one
/// with a part that cannot be written.
#[must_use]
pub fn key(scope: &[&dyn KeyPart], parts: &[&dyn KeyPart]) -> String {
    let mut key = String::with_capacity(USUAL_KEY);
    write_key(&mut key, scope, parts).unwrap_or_else(|fmt::Error| key.clear());
    key
}

/// The key that `parts` make up with colons between them, behind `scope` and a colon where there is
/// one. Empty as [`key`] is.
#[must_use]
pub fn joined(scope: &[&dyn KeyPart], parts: &[&dyn KeyPart]) -> String {
    let mut between = Vec::with_capacity(parts.len() * 2);
    for part in parts {
        if !between.is_empty() {
            between.push(&":" as &dyn KeyPart);
        }
        between.push(*part);
    }
    key(scope, &between)
}

fn write_key(key: &mut String, scope: &[&dyn KeyPart], parts: &[&dyn KeyPart]) -> fmt::Result {
    for part in scope {
        part.write_to(key)?;
    }
    if !scope.is_empty() {
        key.push(':');
    }
    let scope = key.len();
    for part in parts {
        part.write_to(key)?;
    }
    if key.len() == scope {
        key.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_parts_behind_the_scope() {
        assert_eq!(key(&[], &[&"order:", &7, &':', &"x"]), "order:7:x");
        assert_eq!(key(&[&"shop-", &1], &[&"order"]), "shop-1:order");
    }

    #[test]
    fn a_scope_makes_no_key_out_of_nothing() {
        assert_eq!(key(&[], &[]), "");
        assert_eq!(key(&[&"shop"], &[]), "");
        assert_eq!(key(&[&"shop"], &[&"", &String::new()]), "");
    }

    #[test]
    fn a_part_that_cannot_be_written_leaves_no_key() {
        struct Broken;
        impl Display for Broken {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        assert_eq!(key(&[&"shop"], &[&"a", &Broken]), "");
    }
}
