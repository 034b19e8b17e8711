//! A load that takes the place of whatever is there.

use tokio::time::Instant;

use super::{Call, Obtained};
use crate::cache::backend::Begun;
use crate::cache::judge::Verdict;
use crate::cache::lead::Lead;
use crate::cache::stats::Event;

impl Call<'_> {
    /// Asks to load anew, whatever is there. Where that is not granted, because somebody else is
    /// at it with what may be old by now, nothing stays there.
    pub(crate) async fn anew(&mut self) -> Lead {
        if let Some(lead) = self.replace().await {
            return lead;
        }
        // A failure has been taken note of: the deletion is repeated.
        let _ = self.core.delete(vec![self.full.clone()]).await;
        self.counters.count(Event::Bypass);
        Lead::alone(self.core, &self.full)
    }

    async fn replace(&mut self) -> Option<Lead> {
        if self.core.repeats.covers(&self.full) {
            return None;
        }
        let read = self.core.backend.read(&self.full, &self.tags);
        let sighting = match self.core.guarded(false, read).await {
            Ok(sighting) => sighting,
            Err(_) => {
                self.counters.count(Event::Error);
                return None;
            }
        };
        let read_at = Instant::now();
        let seen = match self.verdict(&sighting).await {
            Verdict::Fresh { held: true, .. }
            | Verdict::Stale { held: true, .. }
            | Verdict::Held { .. } => return None,
            Verdict::Fresh { found, grace, .. } | Verdict::Stale { found, grace, .. } => {
                return match self.beside(&found, read_at + grace).await {
                    Some(Obtained::Load(lead)) => Some(lead),
                    _ => None,
                };
            }
            Verdict::Missing { seen } => seen,
        };
        let flights = &self.core.flights;
        let leader = flights.lead(&self.full, self.reader.fingerprint)?;
        let mut lead = self.begin_as(leader);
        match lead.begin(self.begin(seen, false)).await {
            Ok(Begun::Granted { epochs, .. }) => {
                lead.granted(epochs);
                Some(lead)
            }
            Ok(Begun::Other(_)) | Err(_) => None,
        }
    }
}
