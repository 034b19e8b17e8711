//! The keys of a store, a batch at a time.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::Store;
use super::shared::Shared;
use crate::client::Walk;
use crate::error::{Error, NodeError};
use crate::memory::glob;

/// How many keys the server looks at for one answer: some milliseconds' worth at most.
const BATCH: u32 = 500;

/// The keys that fit a pattern, without the prefix; made by [`Store::scan`].
///
/// It asks for a batch when the one before is used up. A key that is there all the time comes at
/// least once, and may come twice; one that comes or goes meanwhile may come or not. On a cluster it
/// goes through one master after the other, over a connection of its own to each, and once more
/// through those that were given slots in the meantime.
///
/// It is a `Stream` as well.
#[must_use = "keys are asked for when they are awaited"]
pub struct Scan {
    shared: Arc<Shared>,
    pattern: Box<str>,
    /// `None`: a batch is under way, or there is nothing more.
    walk: Option<Walk>,
    found: VecDeque<Result<String, Error>>,
    asking: Option<Step>,
}

/// One batch under way: the rest of the walk, and its keys.
type Step = Pin<Box<dyn Future<Output = (Walk, Result<Option<Vec<Vec<u8>>>, NodeError>)> + Send>>;

impl Store {
    /// The keys that fit a pattern: `*` for all, `user:?`, `user:[0-9]*`; a `\` takes what follows
    /// it literally.
    pub fn scan(&self, pattern: &str) -> Scan {
        let prefix = glob::escape(self.prefix());
        let pattern = [&prefix, pattern].concat();
        Scan {
            shared: self.shared.clone(),
            walk: Some(Walk::new(self.shared.backend.clone(), &pattern, BATCH)),
            pattern: pattern.into(),
            found: VecDeque::new(),
            asking: None,
        }
    }
}

impl Scan {
    /// How many keys the server looks at for one answer, whether they fit or not; 500 unless set.
    /// It counts from the start of a scan, not in the middle of one.
    pub fn batch(mut self, batch: u32) -> Self {
        if let Some(walk) = &mut self.walk {
            walk.set_batch(batch.max(1));
        }
        self
    }

    /// The next key, or an error after which there is nothing more.
    ///
    /// # Cancel safety
    /// No key is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<String, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All keys there are, each once and in no order. Mind how many there may be.
    ///
    /// # Errors
    /// The first error met.
    pub async fn all(mut self) -> Result<Vec<String>, Error> {
        let mut keys = std::collections::HashSet::new();
        while let Some(key) = self.next().await {
            keys.insert(key?);
        }
        Ok(keys.into_iter().collect())
    }

    /// A key as the user named it.
    fn bare(&self, key: Vec<u8>) -> Result<String, Error> {
        match String::from_utf8(key) {
            Ok(key) => Ok(match key.strip_prefix(&*self.shared.prefix) {
                Some(bare) => bare.to_owned(),
                None => key,
            }),
            Err(error) => {
                let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
                Err(self.shared.unnameable(&shown, Box::new(error)))
            }
        }
    }
}

impl Stream for Scan {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(key) = self.found.pop_front() {
                return Poll::Ready(Some(key));
            }
            let mut asking: Step = match (self.asking.take(), self.walk.take()) {
                (Some(asking), _) => asking,
                (None, Some(mut walk)) => Box::pin(async move {
                    let page = walk.page().await;
                    (walk, page)
                }),
                (None, None) => return Poll::Ready(None),
            };
            let Poll::Ready((walk, page)) = asking.as_mut().poll(cx) else {
                self.asking = Some(asking);
                return Poll::Pending;
            };
            match page {
                Ok(Some(keys)) => {
                    self.walk = Some(walk);
                    let keys: Vec<_> = keys.into_iter().map(|key| self.bare(key)).collect();
                    self.found.extend(keys);
                }
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(self.shared.backend.error(error)))),
            }
        }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("pattern", &self.pattern)
            .finish_non_exhaustive()
    }
}
