//! Which keys the current task is loading: a load that asks for its own key must not wait for
//! itself, nor be answered with what it is to replace.

use std::sync::Arc;

tokio::task_local! {
    static LOADING: Arc<Loading>;
}

#[derive(Debug)]
struct Loading {
    cache: u64,
    key: Box<str>,
    /// The load inside which this one runs.
    outer: Option<Arc<Self>>,
}

/// Whether the current task is inside a load of that key, which is named only if it is inside one.
pub(crate) fn is_loading(cache: u64, key: impl FnOnce() -> Box<str>) -> bool {
    let inside = LOADING.try_with(|loading| {
        let key = key();
        let mut next = Some(loading);
        while let Some(loading) = next {
            if loading.cache == cache && loading.key == key {
                return true;
            }
            next = loading.outer.as_ref();
        }
        false
    });
    inside.unwrap_or(false)
}

/// Runs a load of that key.
pub(crate) async fn load<F: Future>(cache: u64, key: &str, load: F) -> F::Output {
    let loading = Arc::new(Loading {
        cache,
        key: key.into(),
        outer: LOADING.try_with(Arc::clone).ok(),
    });
    LOADING.scope(loading, load).await
}
