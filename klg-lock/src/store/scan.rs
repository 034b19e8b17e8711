//! The keys of a store, a batch at a time.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use redis::{Value, from_redis_value};

use super::Store;
use super::shared::Shared;
use crate::error::{Error, NodeError, NodeErrorKind};
use crate::memory::glob;

/// How many keys the server looks at for one answer: some milliseconds' worth at most.
const BATCH: u32 = 500;

/// The keys that fit a pattern, without the prefix; made by [`Store::scan`].
///
/// It asks for a batch when the one before is used up. A key that is there all the time comes at
/// least once, and may come twice; one that comes or goes meanwhile may come or not.
///
/// It is a `Stream` as well.
#[must_use = "keys are asked for when they are awaited"]
pub struct Scan {
    shared: Arc<Shared>,
    pattern: Box<str>,
    batch: u32,
    /// Where to go on; `None`: at the end.
    cursor: Option<u64>,
    found: VecDeque<Result<String, Error>>,
    asking: Option<Step>,
}

/// One batch under way: the cursor behind it, and its keys.
type Step = Pin<Box<dyn Future<Output = Result<(u64, Vec<Vec<u8>>), Error>> + Send>>;

impl Store {
    /// The keys that fit a pattern: `*` for all, `user:?`, `user:[0-9]*`; a `\` takes what follows
    /// it literally.
    ///
    /// On a cluster it is an error: a scan goes through one server.
    pub fn scan(&self, pattern: &str) -> Scan {
        let prefix = glob::escape(self.prefix());
        Scan {
            shared: self.shared.clone(),
            pattern: [&prefix, pattern].concat().into(),
            batch: BATCH,
            cursor: Some(0),
            found: VecDeque::new(),
            asking: None,
        }
    }
}

impl Scan {
    /// How many keys the server looks at for one answer, whether they fit or not; 500 unless set.
    pub fn batch(mut self, batch: u32) -> Self {
        self.batch = batch.max(1);
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

    fn ask(&self, cursor: u64) -> Step {
        let shared = self.shared.clone();
        let mut cmd = redis::cmd("SCAN");
        cmd.arg(cursor)
            .arg("MATCH")
            .arg(&*self.pattern)
            .arg("COUNT")
            .arg(self.batch);
        Box::pin(async move {
            if shared.backend.is_cluster() {
                return Err(shared.backend.error(whole_cluster()));
            }
            let reply: Value = match shared.backend.query(&cmd).await {
                Ok(reply) => reply,
                Err(error) => return Err(shared.backend.error(error)),
            };
            from_redis_value(reply).map_err(|error| shared.undecodable("", Box::new(error)))
        })
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

/// One server's keys would pass for all of them.
fn whole_cluster() -> NodeError {
    NodeError::new(
        NodeErrorKind::Protocol,
        "a scan goes through one server, and this client is a cluster; scan its masters one by one, each over a client of its own",
    )
}

impl Stream for Scan {
    type Item = Result<String, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(key) = self.found.pop_front() {
                return Poll::Ready(Some(key));
            }
            let mut asking = match (self.asking.take(), self.cursor) {
                (Some(asking), _) => asking,
                (None, Some(cursor)) => self.ask(cursor),
                (None, None) => return Poll::Ready(None),
            };
            let Poll::Ready(step) = asking.as_mut().poll(cx) else {
                self.asking = Some(asking);
                return Poll::Pending;
            };
            match step {
                Ok((cursor, keys)) => {
                    self.cursor = (cursor != 0).then_some(cursor);
                    let keys: Vec<_> = keys.into_iter().map(|key| self.bare(key)).collect();
                    self.found.extend(keys);
                }
                Err(error) => {
                    self.cursor = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan")
            .field("pattern", &self.pattern)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}
