//! Several keys of one type at once: one read, one load of what is missing, each value stored unless
//! its key was touched meanwhile.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::join_all;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backend::{Begin, Begun};
use super::codec::{Codec, fingerprint};
use super::direct::get_many;
use super::flight::Seat;
use super::lead::{Lead, Loaded, run_all};
use super::record::Nonce;
use super::run::{Handle, kind, lifetime};
use super::spec::Spec;
use super::stats::Event;

/// Returns the values of `ids`, those that are cached and those that `load` returns for the others.
///
/// A load of several keys waits for nobody: two that wait for each other's keys would do so for
/// ever. What somebody else is loading is loaded here too, and not stored.
pub(crate) async fn run<I, T, E, F, Fut, C>(
    handle: Handle,
    ids: Vec<I>,
    key_of: impl Fn(&I) -> String,
    spec: Spec,
    codec: C,
    load: F,
) -> Result<HashMap<I, T>, E>
where
    I: Eq + Hash,
    T: Serialize + DeserializeOwned,
    F: FnOnce(Vec<I>) -> Fut,
    Fut: Future<Output = Result<HashMap<I, T>, E>>,
    C: Codec,
{
    let mut found = HashMap::with_capacity(ids.len());
    let mut missing = Vec::new();
    let keys: Vec<String> = ids.iter().map(&key_of).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    // A server that cannot be asked has nothing; the failure has been counted and reported.
    let cached = get_many::<T, C>(&handle, &names, &spec, &codec).await;
    let mut cached = cached.unwrap_or_default().into_iter();
    let mut asked = HashSet::with_capacity(keys.len());
    for (id, key) in ids.into_iter().zip(&keys) {
        let cached = cached.next().flatten();
        // An id that was asked for twice is loaded once.
        if !asked.insert(key.as_str()) {
            continue;
        }
        match cached {
            Some(value) => drop(found.insert(id, value)),
            None => missing.push((id, key.as_str())),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    let kind = kind::<T, C>(&codec);
    let leads = join_all(
        missing
            .iter()
            .map(|(_, key)| begin(&handle, key, &spec, fingerprint(kind))),
    );
    // By key: the ids themselves go to the load.
    let keys: Vec<String> = missing.iter().map(|(_, key)| (*key).to_owned()).collect();
    let mut leads: HashMap<String, Lead> = keys.into_iter().zip(leads.await).collect();
    let ids = missing.into_iter().map(|(id, _)| id).collect();
    let (took, result) = run_all(&handle.core, leads.values(), load(ids)).await;
    handle.counters.loaded(took);
    let loaded = match result {
        Ok(loaded) => loaded,
        Err(error) => {
            handle.counters.count(Event::LoadError);
            return Err(error);
        }
    };
    let mut storing = Vec::new();
    for (id, value) in &loaded {
        let Some(lead) = leads.remove(&key_of(id)) else {
            continue;
        };
        match codec.encode(value) {
            Ok(encoded) => {
                let loaded = Loaded {
                    value: encoded,
                    ttl: lifetime(value, &spec),
                    took,
                    fingerprint: fingerprint(kind),
                };
                storing.push(lead.loaded(&spec, &handle.counters, loaded));
            }
            Err(error) => {
                handle.counters.count(Event::Error);
                tracing::warn!(cache = handle.counters.name(), %error, "a value cannot be encoded, it is not cached");
            }
        }
    }
    join_all(storing).await;
    found.extend(loaded);
    Ok(found)
}

/// Asks for the right to store one value.
async fn begin(handle: &Handle, key: &str, spec: &Spec, fingerprint: u64) -> Lead {
    let core = &handle.core;
    let full = core.full(key);
    let seat = if spec.fault(key).is_some() || core.is_closed() || core.repeats.covers(&full) {
        Seat::None
    } else {
        core.flights.enter(&full, fingerprint)
    };
    let Seat::Leader(leader) = seat else {
        return Lead::alone(core, &full);
    };
    let mut lead = Lead::new(core, &full, leader);
    let tags: Arc<[Box<str>]> = spec.tags().iter().map(|tag| core.tag(tag)).collect();
    let begin = Begin {
        key: full.clone(),
        token: Nonce::fresh(),
        lease: core.lease,
        seen: None,
        beside: false,
        tags,
        lifetime: spec.lifetime(),
    };
    match lead.begin(begin).await {
        Ok(Begun::Granted { epochs, .. }) => {
            lead.granted(epochs);
            lead
        }
        // Somebody else loads it, or has stored it just now.
        Ok(Begun::Other(_)) => Lead::alone(core, &full),
        Err(_) => {
            handle.counters.count(Event::Error);
            lead
        }
    }
}
