//! One call of a cached function, from its key to its result.

use std::any::type_name;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{Codec, fingerprint};
use super::core::Core;
use super::lead::{Lead, Loaded};
use super::loading::is_loading;
use super::none::is_none;
use super::obtain::{Call, Obtained};
use super::spec::Spec;
use super::stats::{Counters, Event};

/// What a handle of a cache holds.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) core: Arc<Core>,
    pub(crate) counters: Arc<Counters>,
}

/// What a value is: its type, and what writes and reads it.
pub(crate) fn kind<T, C: Codec>(codec: &C) -> (&'static str, &'static str) {
    (type_name::<T>(), codec.name())
}

/// Returns the cached value, or what `load` returns. `keep`: whether a loaded value is kept.
pub(crate) async fn run<T, E, F, Fut, C>(
    handle: Handle,
    key: impl AsRef<str>,
    spec: Spec,
    codec: C,
    load: F,
    keep: impl FnOnce(&T) -> bool,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Codec,
{
    let key = key.as_ref();
    let kind = kind::<T, C>(&codec);
    if let Some(value) = ready(&handle, key, &spec, kind, &codec) {
        return Ok(value);
    }
    if passes_by(&handle, key, &spec) {
        return load().await;
    }
    // Seldom gone through, and large: not worth a place in every caller's future.
    Box::pin(remote(&handle, key, &spec, codec, kind, load, keep)).await
}

/// A value that is in this process.
pub(crate) fn ready<T: DeserializeOwned, C: Codec>(
    handle: &Handle,
    key: &str,
    spec: &Spec,
    kind: (&'static str, &'static str),
    codec: &C,
) -> Option<T> {
    if !spec.l1 {
        return None;
    }
    let core = &handle.core;
    let entry = core.local.as_ref()?.get(key)?;
    if entry.kind != kind || entry.tags() != spec.tags().len() {
        return None;
    }
    if core.repeats.count() > 0 && core.repeats.covers(&core.full(key)) {
        return None;
    }
    let value = codec.decode(&entry.value).ok()?;
    handle.counters.count(Event::L1Hit);
    Some(value)
}

/// Whether a call goes past the cache: it is part of the load of that very key, or the request
/// cannot be served, for nothing in a cache makes a working function fail.
pub(crate) fn passes_by(handle: &Handle, key: &str, spec: &Spec) -> bool {
    if is_loading(handle.core.id, || handle.core.full(key)) {
        return true;
    }
    if handle.core.is_closed() {
        handle.counters.count(Event::Bypass);
        return true;
    }
    let Some(fault) = spec.fault(key) else {
        return false;
    };
    handle.counters.count(Event::Error);
    tracing::warn!(
        cache = handle.counters.name(),
        fault,
        "a value cannot be cached"
    );
    true
}

async fn remote<T, E, F, Fut, C>(
    handle: &Handle,
    key: &str,
    spec: &Spec,
    codec: C,
    kind: (&'static str, &'static str),
    load: F,
    keep: impl FnOnce(&T) -> bool,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Codec,
{
    let mut call = Call::new(&handle.core, &handle.counters, spec, key, kind);
    let lead = loop {
        match call.obtain().await {
            Obtained::Load(lead) => break lead,
            Obtained::Found(found) => match codec.decode(&found.value) {
                Ok(value) => return Ok(value),
                Err(_) => call.reject(&found),
            },
        }
    };
    drop(call);
    // A hit does not pay for the size of a load.
    Box::pin(finish(handle, spec, &codec, kind, lead, load, keep)).await
}

/// Loads, stores, and returns what was loaded; or the stale value, if the load failed.
pub(crate) async fn finish<T, E, F, Fut, C>(
    handle: &Handle,
    spec: &Spec,
    codec: &C,
    kind: (&'static str, &'static str),
    mut lead: Lead,
    load: F,
    keep: impl FnOnce(&T) -> bool,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Codec,
{
    let counters = &handle.counters;
    let (took, result) = lead.run(load()).await;
    counters.loaded(took);
    let value = match result {
        Ok(value) => value,
        Err(error) => {
            counters.count(Event::LoadError);
            // What the source says of itself is the caller's to report; it never travels.
            let fallback = lead.failed().await;
            return match fallback.and_then(|found| codec.decode(&found.value).ok()) {
                Some(value) => {
                    tracing::warn!(
                        cache = counters.name(),
                        "a load failed, the stale value is served in its place"
                    );
                    counters.count(Event::Stale);
                    Ok(value)
                }
                None => Err(error),
            };
        }
    };
    let encoded = match codec.encode(&value) {
        Ok(encoded) => encoded,
        Err(error) => {
            counters.count(Event::Error);
            tracing::warn!(cache = counters.name(), %error, "a value cannot be encoded, it is not cached");
            return Ok(value);
        }
    };
    let ttl = lifetime(&value, spec).filter(|_| keep(&value));
    let loaded = Loaded {
        value: encoded,
        ttl,
        took,
        fingerprint: fingerprint(kind),
    };
    lead.loaded(spec, counters, loaded).await;
    Ok(value)
}

/// How long a value is fresh and how long it is served after that; `None`: it is not kept.
pub(crate) fn lifetime<T: Serialize>(
    value: &T,
    spec: &Spec,
) -> Option<(std::time::Duration, std::time::Duration)> {
    if is_none(value) {
        // An absence is not served past its time.
        return Some((spec.none_ttl?, std::time::Duration::ZERO));
    }
    Some((spec.ttl, spec.stale))
}
