//! Mutexes without poison: a panic in one task must not take every later lock user down.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whether or not a thread panicked while it held the mutex. Everything guarded this way is
/// left consistent at every step, so there is nothing that poison could warn of.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
