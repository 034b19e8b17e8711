//! A load: the right to store its result, kept while it runs, used or given back at its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use tokio::time::{Instant, sleep};

use super::backend::{Begin, Begun};
use super::core::Core;
use super::flight::Leader;
use super::judge::{Found, jittered};
use super::loading;
use super::packing::pack;
use super::record::{self, Label, Nonce, Record, Tagged};
use super::spec::Spec;
use super::stats::{Counters, Event};
use crate::error::NodeError;

/// A token is renewed when this share of its lease has passed.
const RENEWAL: u32 = 3;

/// The caller that loads a value. Dropped before the result is stored, it gives the token back.
#[derive(Debug)]
pub(crate) struct Lead {
    core: Arc<Core>,
    full: Box<str>,
    leader: Option<Leader>,
    token: Option<Nonce>,
    /// Of the request's tags, from before the load.
    epochs: Vec<Nonce>,
    /// Without a token nothing tells of evictions: only those share the result who came before the
    /// load began. As many as these.
    before: u64,
    /// Served if the load fails, until then.
    fallback: Option<(Found, Instant)>,
}

/// A loaded value on its way to the server.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) value: Vec<u8>,
    /// How long it is fresh, and how much longer it may be served; `None`: it is not to be kept.
    pub(crate) ttl: Option<(Duration, Duration)>,
    pub(crate) took: Duration,
    pub(crate) fingerprint: u64,
}

impl Lead {
    pub(crate) fn new(core: &Arc<Core>, full: &str, leader: Leader) -> Self {
        let mut lead = Self::alone(core, full);
        lead.leader = Some(leader);
        lead
    }

    /// A load whose result nobody else gets.
    pub(crate) fn alone(core: &Arc<Core>, full: &str) -> Self {
        Self {
            core: core.clone(),
            full: full.into(),
            leader: None,
            token: None,
            epochs: Vec::new(),
            before: 0,
            fallback: None,
        }
    }

    /// Asks for the right to store.
    pub(crate) async fn begin(&mut self, begin: Begin) -> Result<Begun, NodeError> {
        // From here on the server may have granted it, whatever becomes of the answer.
        self.token = Some(begin.token);
        let core = self.core.clone();
        let result = core.guarded(true, core.backend.begin(begin)).await;
        match &result {
            Ok(Begun::Granted { .. }) => {}
            Ok(Begun::Other(_)) => self.token = None,
            Err(_) => {
                // Behind the request on the same connection, if that is still there.
                if let Some(token) = self.token.take() {
                    drop(
                        core.runtime
                            .spawn(give_back(core.clone(), self.full.clone(), token)),
                    );
                }
            }
        }
        result
    }

    pub(crate) fn granted(&mut self, epochs: Vec<Nonce>) {
        self.epochs = epochs;
    }

    pub(crate) fn fallback(&mut self, found: Found, until: Instant) {
        self.fallback = Some((found, until));
    }

    /// What can be served now in the place of the result.
    pub(crate) fn present(&self) -> Option<Found> {
        self.fallback.as_ref().map(|(found, _)| found.clone())
    }

    /// It has been served already; a failed load has nobody to serve it to.
    pub(crate) fn without_fallback(&mut self) {
        self.fallback = None;
    }

    /// How many wait for the result so far.
    pub(crate) fn joined(&self) -> u64 {
        self.leader.as_ref().map_or(0, Leader::joined)
    }

    /// Gives what somebody else stored to the first `upto` that wait.
    pub(crate) fn share(mut self, found: Found, upto: u64) {
        if let Some(leader) = self.leader.take() {
            leader.share(found, upto);
        }
    }

    /// Runs the load, and keeps the token meanwhile; tells how long the load took.
    pub(crate) async fn run<F: Future>(&mut self, load: F) -> (Duration, F::Output) {
        if self.token.is_none() && self.leader.is_some() {
            // Those who wait for the same value get the chance to join.
            tokio::task::yield_now().await;
            self.before = self.joined();
        }
        let core = &self.core;
        let load = pin!(async {
            let began = Instant::now();
            let output = loading::load(core.id, &self.full, load).await;
            (began.elapsed(), output)
        });
        let Some(token) = self.token else {
            return load.await;
        };
        let renewing = pin!(renew(core, &self.full, token));
        match select(load, renewing).await {
            Either::Left((output, _)) => output,
            Either::Right((never, _)) => match never {},
        }
    }

    /// The load succeeded: stores the value unless the key was touched meanwhile.
    pub(crate) async fn loaded(mut self, spec: &Spec, counters: &Counters, loaded: Loaded) {
        let upto = self.joined();
        let Some(token) = self.token.take() else {
            if let Some(leader) = self.leader.take() {
                let found = found(loaded.value.into(), Nonce::fresh());
                leader.share(found, self.before);
            }
            return;
        };
        let core = self.core.clone();
        let full = self.full.clone();
        let leader = self.leader.take();
        let stands = Standing::of(&core, spec, &self.epochs);
        let Some((ttl, stale)) = loaded.ttl else {
            let value = loaded.value.into();
            let given_back = give_back(core.clone(), full, token).await;
            if let Some(leader) = leader
                && given_back
                && stands.holds(&core, upto).await
            {
                leader.share(found(value, token), upto);
            }
            return;
        };
        let tags = spec.tags().iter().map(|tag| &**tag);
        let tags: Vec<Tagged<'_>> = tags.zip(self.epochs.iter().copied()).collect();
        let (packing, packed) = pack(&loaded.value, core.config.compress_above);
        let ttl = jittered(ttl, spec.jitter, &mut rand::rng());
        let label = Label {
            packing,
            fingerprint: loaded.fingerprint,
            stale,
            load: loaded.took,
        };
        let entry = Bytes::from(record::write(&label, &tags, &packed));
        let lifetime = ttl.saturating_add(stale);
        core.lives(lifetime);
        let stamp = Record::parse(entry.clone()).map_or(token, |record| record.stamp());
        let filled = core
            .owned(move |core| async move {
                let fill = core.backend.fill(&full, token, entry, lifetime);
                let filled = core.guarded(true, fill).await;
                core.changed(&full);
                filled
            })
            .await;
        match filled {
            Ok(true) => {
                if let Some(leader) = leader
                    && stands.holds(&core, upto).await
                {
                    leader.share(found(loaded.value.into(), stamp), upto);
                }
            }
            Ok(false) => counters.count(Event::Discarded),
            Err(_) => counters.count(Event::Error),
        }
    }

    /// The load failed: what may be served in its place.
    pub(crate) async fn failed(mut self) -> Option<Found> {
        if let Some(token) = self.token.take() {
            let core = self.core.clone();
            let full = self.full.clone();
            give_back(core, full, token).await;
        }
        let (found, until) = self.fallback.take()?;
        (Instant::now() < until).then_some(found)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let Some(token) = self.token.take() else {
            return;
        };
        // The others go on waiting until the token has been given back, so that the next of them
        // does not find it.
        let leader = self.leader.take();
        let core = self.core.clone();
        let full = self.full.clone();
        let runtime = core.runtime.clone();
        drop(runtime.spawn(async move {
            give_back(core, full, token).await;
            drop(leader);
        }));
    }
}

/// Runs one load for several keys, and keeps their tokens meanwhile; tells how long it took.
pub(crate) async fn run_all<F: Future>(
    core: &Core,
    leads: impl Iterator<Item = &Lead>,
    load: F,
) -> (Duration, F::Output) {
    let tokens = leads.filter_map(|lead| Some((&*lead.full, lead.token?)));
    let renewing = tokens.map(|(full, token)| renew(core, full, token));
    let renewing = pin!(async {
        join_all(renewing).await;
        std::future::pending::<Infallible>().await
    });
    let began = Instant::now();
    match select(pin!(load), renewing).await {
        Either::Left((output, _)) => (began.elapsed(), output),
        Either::Right((never, _)) => match never {},
    }
}

fn found(value: Bytes, stamp: Nonce) -> Found {
    Found { value, stamp }
}

/// Renews a token until it is lost, and then waits for ever: the load runs to its end all the same.
async fn renew(core: &Core, full: &str, token: Nonce) -> Infallible {
    loop {
        sleep(core.lease / RENEWAL).await;
        let renew = core.backend.renew(full, token, core.lease);
        if let Ok(false) = core.guarded(true, renew).await {
            return std::future::pending().await;
        }
    }
}

/// Gives a token back; `false`: it was gone already, or nobody knows.
async fn give_back(core: Arc<Core>, full: Box<str>, token: Nonce) -> bool {
    let given_back = core
        .owned(move |core| async move {
            let abandon = core.backend.abandon(&full, token);
            let abandoned = core.guarded(true, abandon).await;
            core.changed(&full);
            abandoned
        })
        .await;
    matches!(given_back, Ok(true))
}

/// The epochs in which a load began. The token tells of evictions of the key; of those of its tags
/// only these do.
struct Standing {
    tags: Vec<Box<str>>,
    epochs: Vec<Nonce>,
}

impl Standing {
    fn of(core: &Core, spec: &Spec, epochs: &[Nonce]) -> Self {
        Self {
            tags: spec.tags().iter().map(|tag| core.tag(tag)).collect(),
            epochs: epochs.to_vec(),
        }
    }

    /// Whether no tag has been evicted since; asked only where somebody waits for the answer.
    async fn holds(&self, core: &Core, waiting: u64) -> bool {
        if self.tags.is_empty() || waiting == 0 {
            return true;
        }
        let now = core.guarded(false, core.backend.epochs(&self.tags)).await;
        now.is_ok_and(|now| now.into_iter().eq(self.epochs.iter().copied().map(Some)))
    }
}
