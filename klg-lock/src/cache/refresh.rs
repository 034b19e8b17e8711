//! Refreshing behind the caller's back: the stale value is returned, the load is spawned.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::codec::Codec;
use super::obtain::{Call, Obtained};
use super::run::{Handle, finish, kind, passes_by, ready};
use super::spec::Spec;
use super::stats::Event;

/// As [`run`](super::run::run), but a caller that is to replace a value it could serve does so in a
/// task of its own.
pub(crate) async fn run<K, T, E, F, Fut, C, P>(
    handle: Handle,
    key: K,
    spec: Spec,
    codec: C,
    load: F,
    keep: P,
) -> Result<T, E>
where
    K: AsRef<str> + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    C: Codec,
    P: FnOnce(&T) -> bool + Send + 'static,
{
    let kind = kind::<T, C>(&codec);
    if let Some(value) = ready(&handle, key.as_ref(), &spec, kind, &codec) {
        return Ok(value);
    }
    if passes_by(&handle, key.as_ref(), &spec) {
        return load().await;
    }
    // Large, and moved with every caller's future: not worth a place in it.
    Box::pin(remote(handle, key, spec, codec, kind, load, keep)).await
}

async fn remote<K, T, E, F, Fut, C, P>(
    handle: Handle,
    key: K,
    spec: Spec,
    codec: C,
    kind: (&'static str, &'static str),
    load: F,
    keep: P,
) -> Result<T, E>
where
    K: AsRef<str> + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    C: Codec,
    P: FnOnce(&T) -> bool + Send + 'static,
{
    let mut call = Call::new(&handle.core, &handle.counters, &spec, key.as_ref(), kind);
    let mut lead = loop {
        match call.obtain().await {
            Obtained::Load(lead) => break lead,
            Obtained::Found(found) => match codec.decode(&found.value) {
                Ok(value) => return Ok(value),
                Err(_) => call.reject(&found),
            },
        }
    };
    drop(call);
    let present = lead.present();
    let value = present.and_then(|found| codec.decode(&found.value).ok());
    let permit = handle.core.refreshes.clone().try_acquire_owned();
    // Nothing to serve, or no room for one more task.
    let (Some(value), Ok(permit)) = (value, permit) else {
        let finish = finish(&handle, &spec, &codec, kind, lead, load, keep);
        return Box::pin(finish).await;
    };
    handle.counters.count(Event::Stale);
    lead.without_fallback();
    let runtime = handle.core.runtime.clone();
    let refreshing = async move {
        // A failure has been counted and the next caller tries again.
        let _ = finish(&handle, &spec, &codec, kind, lead, load, keep).await;
        drop(permit);
    };
    let refreshing = crate::registry::carried(refreshing).in_current_span();
    drop(runtime.spawn(refreshing));
    Ok(value)
}
