//! What a request asks of the cache.

use std::sync::Arc;
use std::time::Duration;

use crate::config::CacheConfig;

/// The longest key and tag: beyond this a mistake is likelier than an intention.
const LONGEST_NAME: usize = 16 * 1024;
/// The most tags on one entry: each is looked up with each read.
const MOST_TAGS: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) stale: Duration,
    pub(crate) none_ttl: Option<Duration>,
    pub(crate) beta: f64,
    pub(crate) load_timeout: Duration,
    /// Whether the value is kept in the process, where the cache does that, and for how long.
    pub(crate) l1: bool,
    pub(crate) l1_ttl: Option<Duration>,
    pub(crate) tags: Option<Arc<[Box<str>]>>,
}

impl Spec {
    pub(crate) fn of(config: &CacheConfig) -> Self {
        Self {
            ttl: config.ttl,
            jitter: config.ttl_jitter,
            stale: config.stale,
            none_ttl: config.none_ttl,
            beta: config.beta,
            load_timeout: config.load_timeout,
            l1: true,
            l1_ttl: None,
            tags: None,
        }
    }

    pub(crate) fn tags(&self) -> &[Box<str>] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// The longest that an entry lives, its grace period included.
    pub(crate) fn lifetime(&self) -> Duration {
        let ttl = self.ttl.max(self.none_ttl.unwrap_or_default());
        ttl.saturating_add(self.stale)
    }

    /// What makes the request impossible to serve.
    pub(crate) fn fault(&self, key: &str) -> Option<String> {
        name_fault("key", key).or_else(|| {
            if self.tags().len() > MOST_TAGS {
                return Some(format!(
                    "{} tags, at most {MOST_TAGS} are allowed",
                    self.tags().len()
                ));
            }
            self.tags().iter().find_map(|tag| name_fault("tag", tag))
        })
    }
}

/// What makes a name impossible.
pub(crate) fn name_fault(what: &str, name: &str) -> Option<String> {
    if name.is_empty() {
        return Some(format!("the {what} is empty; name what the value is of"));
    }
    (name.len() > LONGEST_NAME).then(|| {
        format!(
            "the {what} has {} bytes, at most {LONGEST_NAME} are allowed; use a hash of it",
            name.len()
        )
    })
}
