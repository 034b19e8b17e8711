//! What `#[cache_evict]` evicts: keys and tags in one step, or everything.

use crate::cache::{Cache, direct};
use crate::error::CacheError;

/// What `#[cache_evict]` evicts.
#[derive(Debug)]
pub struct Eviction {
    /// `None`: nothing is evicted.
    cache: Option<Result<Cache, CacheError>>,
    keys: Vec<String>,
    tags: Vec<String>,
    all: bool,
}

impl Eviction {
    /// An eviction of nothing so far.
    #[must_use]
    pub fn new(cache: Result<Cache, CacheError>) -> Self {
        Self {
            cache: Some(cache),
            keys: Vec::new(),
            tags: Vec::new(),
            all: false,
        }
    }

    /// `condition = expr` is `false`, or the body failed.
    #[must_use]
    pub fn none() -> Self {
        Self {
            cache: None,
            keys: Vec::new(),
            tags: Vec::new(),
            all: false,
        }
    }

    /// One key more.
    #[must_use]
    pub fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    /// Everything that carries one of these tags.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Everything.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Evicts; what goes wrong is reported, not returned.
    pub async fn run(self) {
        if let Err(error) = self.evict(false).await {
            tracing::warn!(%error, "values were not evicted from the cache");
        }
    }

    /// Evicts; what goes wrong is the function's error.
    ///
    /// # Errors
    /// As [`Cache::evict_strict`], and where there is no cache to evict from.
    pub async fn strict(self) -> Result<(), CacheError> {
        self.evict(true).await
    }

    async fn evict(self, strict: bool) -> Result<(), CacheError> {
        let Some(cache) = self.cache else {
            return Ok(());
        };
        let cache = cache?;
        if self.all {
            return cache.clear().await;
        }
        let core = &cache.handle.core;
        let mut names = direct::entries(core, &all(&self.keys))?;
        names.extend(direct::tags(core, &all(&self.tags))?);
        cache.delete(Ok(names), strict).await
    }
}

fn all(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The failure of a strict eviction, as what the function returns.
#[must_use]
pub fn carry<R: StrictOutcome>(error: CacheError) -> R {
    R::from_cache_error(error)
}

/// What a function with a strict eviction returns: a `Result` whose error can carry that of the
/// cache.
#[diagnostic::on_unimplemented(
    message = "a function with a `strict` eviction returns a `Result`, not `{Self}`",
    label = "cannot say that the eviction failed",
    note = "let it return `Result<T, E>` with `E: From<klg_lock::CacheError>`, or leave out `strict`: an eviction that the server does not take is then repeated in the background"
)]
pub trait StrictOutcome {
    /// The error instead of a value.
    fn from_cache_error(error: CacheError) -> Self;
}

impl<T, E: CarriesCacheError> StrictOutcome for Result<T, E> {
    fn from_cache_error(error: CacheError) -> Self {
        Err(E::carry(error))
    }
}

/// `From<CacheError>`, in words of our own where it is missing.
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot carry the error of a `strict` eviction",
    label = "does not implement `From<klg_lock::CacheError>`",
    note = "implement `From<klg_lock::CacheError>` for it (with `thiserror` it is a variant: `#[error(transparent)] Cache(#[from] klg_lock::CacheError)`), or leave out `strict`: an eviction that the server does not take is then repeated in the background"
)]
pub trait CarriesCacheError {
    /// The conversion.
    fn carry(error: CacheError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<CacheError>> CarriesCacheError for E {
    fn carry(error: CacheError) -> Self {
        Self::from(error)
    }
}
