//! Operations without a load: get, put, evict, clear.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{Codec, fingerprint};
use super::core::Core;
use super::judge::{Reader, Verdict, jittered, judge, record};
use super::obtain::is_valid;
use super::packing::pack;
use super::record::{self as entry, Label, Packing};
use super::run::{Handle, kind, lifetime};
use super::spec::{Spec, name_fault};
use super::stats::Event;
use crate::error::{CacheError, NodeError};

/// A value ready to be stored.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) key: Box<str>,
    value: Vec<u8>,
    /// Fresh, and stale; `None`: an absence that is not to be remembered.
    ttl: Option<(Duration, Duration)>,
    fingerprint: u64,
}

pub(crate) fn prepare<T: Serialize, C: Codec>(
    spec: &Spec,
    codec: &C,
    key: &str,
    value: &T,
) -> Result<Prepared, CacheError> {
    if let Some(reason) = spec.fault(key) {
        return Err(CacheError::InvalidKey {
            reason: reason.into(),
        });
    }
    let encoded = codec.encode(value).map_err(|source| CacheError::Encode {
        key: key.into(),
        source,
    })?;
    Ok(Prepared {
        key: key.into(),
        value: encoded,
        ttl: lifetime(value, spec),
        fingerprint: fingerprint(kind::<T, C>(codec)),
    })
}

/// Stores one value.
pub(crate) async fn put(handle: Handle, spec: Spec, prepared: Prepared) -> Result<(), CacheError> {
    put_many(handle, spec, vec![prepared]).await
}

/// Stores values, all with the same tags.
pub(crate) async fn put_many(
    handle: Handle,
    spec: Spec,
    values: Vec<Prepared>,
) -> Result<(), CacheError> {
    let core = handle.core;
    let keys: Vec<_> = values.iter().map(|value| core.full(&value.key)).collect();
    let stored = core
        .owned(move |core| async move {
            let stored = store(&core, &spec, &values, &keys).await;
            if stored.is_err() && !core.is_closed() {
                // Repeating the put could undo a later one; nothing there is never wrong.
                core.repeats.add(&core, &keys, core.longest_from_now());
            }
            core.void(&keys);
            stored
        })
        .await;
    taken(&core, &handle.counters, stored)
}

async fn store(
    core: &Arc<Core>,
    spec: &Spec,
    values: &[Prepared],
    keys: &[Box<str>],
) -> Result<(), NodeError> {
    let tags: Arc<[Box<str>]> = spec.tags().iter().map(|tag| core.tag(tag)).collect();
    let epochs = if tags.is_empty() {
        Vec::new()
    } else {
        let enter = core.backend.enter(&tags, spec.lifetime());
        core.guarded(true, enter).await?
    };
    let names = spec.tags().iter().map(|tag| &**tag);
    let tagged: Vec<_> = names.zip(epochs).collect();
    let mut entries = Vec::with_capacity(values.len());
    let mut absent = Vec::new();
    for (value, key) in values.iter().zip(keys) {
        let Some((ttl, stale)) = value.ttl else {
            absent.push(key.clone());
            continue;
        };
        let ttl = jittered(ttl, spec.jitter, &mut rand::rng()).saturating_add(stale);
        core.lives(ttl);
        let (packing, packed): (Packing, _) = pack(&value.value, core.config.compress_above);
        let label = Label {
            packing,
            fingerprint: value.fingerprint,
            stale,
            load: Duration::ZERO,
        };
        let bytes = Bytes::from(entry::write(&label, &tagged, &packed));
        entries.push((key.clone(), bytes, ttl));
    }
    if !absent.is_empty() {
        core.guarded(true, core.backend.delete(&absent)).await?;
    }
    if entries.is_empty() {
        return Ok(());
    }
    core.guarded(true, core.backend.put(&entries)).await
}

/// A write that the server did not take is repeated, and no error of the caller's.
pub(crate) fn taken(
    core: &Core,
    counters: &super::stats::Counters,
    result: Result<(), NodeError>,
) -> Result<(), CacheError> {
    let Err(error) = result else { return Ok(()) };
    counters.count(Event::Error);
    match core.error(error) {
        CacheError::Closed => Err(CacheError::Closed),
        _ => Ok(()),
    }
}

/// Reads one value.
pub(crate) async fn get<T: DeserializeOwned, C: Codec>(
    handle: Handle,
    key: impl AsRef<str>,
    spec: Spec,
    codec: C,
) -> Result<Option<T>, CacheError> {
    let key = key.as_ref();
    let mut values = get_many(&handle, &[key], &spec, &codec).await?;
    Ok(values.pop().flatten())
}

/// Reads values in the order of their keys.
pub(crate) async fn get_many<T: DeserializeOwned, C: Codec>(
    handle: &Handle,
    keys: &[&str],
    spec: &Spec,
    codec: &C,
) -> Result<Vec<Option<T>>, CacheError> {
    let core = &handle.core;
    let counters = &handle.counters;
    let faults = keys.iter().find_map(|key| spec.fault(key));
    if let Some(reason) = faults {
        return Err(CacheError::InvalidKey {
            reason: reason.into(),
        });
    }
    let full: Vec<_> = keys.iter().map(|key| core.full(key)).collect();
    let read = core.backend.read_many(&full);
    let sightings = core.guarded(false, read).await.map_err(|error| {
        counters.count(Event::Error);
        core.error(error)
    })?;
    let reader = Reader {
        fingerprint: fingerprint(kind::<T, C>(codec)),
        rejected: None,
    };
    let mut values = Vec::with_capacity(keys.len());
    for (sighting, full) in sightings.into_iter().zip(&full) {
        let record = record(&sighting);
        let valid = match &record {
            Some(record) if record.is_whole() && !core.repeats.covers(full) => {
                is_valid(core, record, &[], std::iter::empty())
                    .await
                    .map_err(|error| core.error(error))?
            }
            _ => false,
        };
        let verdict = judge(record.as_ref(), sighting.pttl, valid, reader);
        let (found, event) = match verdict {
            Verdict::Fresh { found, .. } => (Some(found), Event::L2Hit),
            Verdict::Stale { found, .. } => (Some(found), Event::Stale),
            Verdict::Held { .. } | Verdict::Missing { .. } => (None, Event::Miss),
        };
        counters.count(event);
        values.push(found.and_then(|found| match codec.decode(&found.value) {
            Ok(value) => Some(value),
            Err(_) => {
                counters.count(Event::Error);
                None
            }
        }));
    }
    Ok(values)
}

/// The full keys of entries.
pub(crate) fn entries(core: &Core, keys: &[&str]) -> Result<Vec<Box<str>>, CacheError> {
    names(keys, "key", |key| core.full(key))
}

/// The full keys of tags.
pub(crate) fn tags(core: &Core, tags: &[&str]) -> Result<Vec<Box<str>>, CacheError> {
    names(tags, "tag", |tag| core.tag(tag))
}

fn names(
    names: &[&str],
    what: &str,
    full: impl Fn(&str) -> Box<str>,
) -> Result<Vec<Box<str>>, CacheError> {
    if let Some(reason) = names.iter().find_map(|name| name_fault(what, name)) {
        return Err(CacheError::InvalidKey {
            reason: reason.into(),
        });
    }
    Ok(names.iter().map(|name| full(name)).collect())
}

/// Deletes every entry and every tag of the cache.
pub(crate) async fn clear(core: &Arc<Core>) -> Result<(), CacheError> {
    let cleared = core
        .owned(|core| async move {
            let mut cleared = Ok(());
            for prefix in core.prefixes() {
                if let Err(error) = core.guarded(true, core.backend.clear(prefix)).await {
                    cleared = Err(error);
                    break;
                }
            }
            if let Some(local) = &core.local {
                local.void_all();
            }
            core.flights.detach_all();
            cleared
        })
        .await;
    cleared.map_err(|error| core.error(error))
}
