//! What was seen under a key judged, tags included.

use super::Call;
use crate::cache::backend::Sighting;
use crate::cache::core::Core;
use crate::cache::judge::{Verdict, judge, record};
use crate::cache::record::{Nonce, Record};
use crate::error::NodeError;

impl Call<'_> {
    /// Judges what was seen, tags included.
    pub(super) async fn verdict(&self, sighting: &Sighting) -> Verdict {
        let record = record(sighting);
        let valid = match &record {
            Some(record) if record.is_whole() => self.is_valid(record, sighting).await,
            _ => Ok(false),
        };
        // Tags that cannot be asked for make an entry unusable, and no failure of the call.
        let valid = valid.unwrap_or(false);
        judge(record.as_ref(), sighting.pttl, valid, self.reader)
    }

    async fn is_valid(&self, record: &Record, sighting: &Sighting) -> Result<bool, NodeError> {
        let epochs = self.spec.tags().iter().zip(&sighting.epochs);
        is_valid(self.core, record, self.spec.tags(), epochs).await
    }
}

/// Whether none of an entry's tags has been evicted since it was loaded, and whether it carries all
/// tags in `named`: else an eviction of those would pass it by.
pub(crate) async fn is_valid<'a>(
    core: &Core,
    record: &Record,
    named: &[Box<str>],
    known: impl Iterator<Item = (&'a Box<str>, &'a Option<Nonce>)>,
) -> Result<bool, NodeError> {
    let mut unknown = Vec::new();
    let known: Vec<_> = known.collect();
    let mut carried = 0;
    for (tag, epoch) in record.tags() {
        match known.iter().find(|(name, _)| ***name == *tag) {
            Some((_, now)) if **now == Some(epoch) => carried += 1,
            Some(_) => return Ok(false),
            None => unknown.push((core.tag(tag), epoch)),
        }
        if core.repeats.covers(&core.tag(tag)) {
            return Ok(false);
        }
    }
    if carried < named.len() {
        return Ok(false);
    }
    if unknown.is_empty() {
        return Ok(true);
    }
    let keys: Vec<_> = unknown.iter().map(|(key, _)| key.clone()).collect();
    let now = core.guarded(false, core.backend.epochs(&keys)).await?;
    let mut pairs = unknown.iter().zip(now);
    Ok(pairs.all(|((_, then), now)| now == Some(*then)))
}
