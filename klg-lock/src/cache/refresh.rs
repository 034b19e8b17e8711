//! Refreshing behind the caller's back: the stale value is returned, the load is spawned.

use std::convert::Infallible;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::codec::Codec;
use super::obtain::{Call, Obtained};
use super::run::{Handle, finish, kind, passes_by, ready};
use super::spec::Spec;
use super::stats::Event;

/// A load where the caller waits for it, or one that outlives the call.
#[derive(Debug)]
pub enum Loading<A, B> {
    /// May borrow from the call.
    Here(A),
    /// May be spawned.
    Apart(B),
}

impl<A: Future, B: Future<Output = A::Output>> Loading<A, B> {
    /// Runs it, and waits for it.
    pub async fn run(self) -> A::Output {
        match self {
            Self::Here(load) => load.await,
            Self::Apart(load) => load.await,
        }
    }
}

/// A plain value as a result.
pub(crate) async fn ok<T>(load: impl Future<Output = T>) -> Result<T, Infallible> {
    Ok(load.await)
}

/// The way back.
pub(crate) async fn infallible<T>(load: impl Future<Output = Result<T, Infallible>>) -> T {
    match load.await {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

/// As [`run`](super::run::run), but a caller that is to replace a value it could serve does so in a
/// task of its own. `load` is told whether it is for such a task.
pub(crate) async fn run<T, E, F, A, B, C, P>(
    handle: Handle,
    key: impl AsRef<str>,
    spec: Spec,
    codec: C,
    load: F,
    keep: P,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
    F: FnOnce(bool) -> Loading<A, B>,
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>> + Send + 'static,
    C: Codec,
    P: FnOnce(&T) -> bool + Send + 'static,
{
    let kind = kind::<T, C>(&codec);
    if let Some(value) = ready(&handle, key.as_ref(), &spec, kind, &codec) {
        return Ok(value);
    }
    if passes_by(&handle, key.as_ref(), &spec) {
        return load(false).run().await;
    }
    // Large, and moved with every caller's future: not worth a place in it.
    Box::pin(remote(handle, key, spec, codec, kind, load, keep)).await
}

async fn remote<T, E, F, A, B, C, P>(
    handle: Handle,
    key: impl AsRef<str>,
    spec: Spec,
    codec: C,
    kind: (&'static str, &'static str),
    load: F,
    keep: P,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    E: Send + 'static,
    F: FnOnce(bool) -> Loading<A, B>,
    A: Future<Output = Result<T, E>>,
    B: Future<Output = Result<T, E>> + Send + 'static,
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
        let load = || load(false).run();
        let finish = finish(&handle, &spec, &codec, kind, lead, load, keep);
        return Box::pin(finish).await;
    };
    let load = match load(true) {
        Loading::Apart(load) => load,
        Loading::Here(load) => {
            let finish = finish(&handle, &spec, &codec, kind, lead, || load, keep);
            return Box::pin(finish).await;
        }
    };
    handle.counters.count(Event::Stale);
    lead.without_fallback();
    let runtime = handle.core.runtime.clone();
    let refreshing = async move {
        // A failure has been counted and the next caller tries again.
        let _ = finish(&handle, &spec, &codec, kind, lead, || load, keep).await;
        drop(permit);
    };
    let refreshing = crate::registry::carried(refreshing).in_current_span();
    drop(runtime.spawn(refreshing));
    Ok(value)
}

/// Loads a value anew, whatever is there, and stores it unless its key is touched meanwhile.
pub(crate) async fn anew<T, E, F, Fut, C>(
    handle: Handle,
    key: impl AsRef<str>,
    spec: Spec,
    codec: C,
    load: F,
) -> Result<T, E>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Codec,
{
    let key = key.as_ref();
    let kind = kind::<T, C>(&codec);
    if passes_by(&handle, key, &spec) {
        return load().await;
    }
    let mut call = Call::new(&handle.core, &handle.counters, &spec, key, kind);
    let mut lead = call.anew().await;
    drop(call);
    // Whoever asks for a new value is not served the old one.
    lead.without_fallback();
    finish(&handle, &spec, &codec, kind, lead, load, |_| true).await
}
