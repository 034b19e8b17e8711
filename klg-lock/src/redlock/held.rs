//! What the current task already holds, so that it never waits for itself.

use std::sync::Arc;

use crate::error::LockError;
use crate::node::KeySet;

tokio::task_local! {
    static HELD: Arc<Held>;
}

/// One `using` around the running code, and those around that.
#[derive(Debug)]
struct Held {
    engine: usize,
    keys: Arc<KeySet>,
    outer: Option<Arc<Held>>,
}

/// Runs `body` as holding `keys` of the engine with this identity.
pub(crate) fn holding<F: Future>(
    engine: usize,
    keys: &Arc<KeySet>,
    body: F,
) -> impl Future<Output = F::Output> + use<F> {
    let outer = HELD.try_with(Arc::clone).ok();
    HELD.scope(
        Arc::new(Held {
            engine,
            keys: Arc::clone(keys),
            outer,
        }),
        body,
    )
}

/// Refuses keys that a `using` around the running code holds on the same engine.
pub(crate) fn check(engine: usize, keys: &KeySet) -> Result<(), LockError> {
    HELD.try_with(|innermost| {
        let mut next = Some(innermost);
        while let Some(held) = next {
            if held.engine == engine {
                let same = |key| {
                    held.keys
                        .keys()
                        .binary_search_by(|own: &crate::node::LockKey| own.lock.cmp(key))
                        .is_ok()
                };
                if let Some(index) = keys.keys().iter().position(|key| same(&key.lock)) {
                    return Err(LockError::WouldDeadlock {
                        resource: keys.resource(index).into(),
                    });
                }
            }
            next = held.outer.as_ref();
        }
        Ok(())
    })
    .unwrap_or(Ok(()))
}
