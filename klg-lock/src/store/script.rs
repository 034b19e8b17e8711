//! Lua scripts, with the prefix on their keys.

use std::sync::Arc;

use super::call::Answer;
use super::draft::Draft;
use super::{Call, Encode, Store};
use crate::client::refusal_code;

/// A Lua script that is sent in full once, and by its hash from then on.
///
/// ```no_run
/// # async fn doc(store: &klg_lock::Store) -> Result<(), klg_lock::Error> {
/// use klg_lock::store::Script;
///
/// let take = Script::new(
///     "local left = redis.call('DECRBY', KEYS[1], ARGV[1])
///      if left >= 0 then return left end
///      redis.call('INCRBY', KEYS[1], ARGV[1])",
/// );
/// let left: Option<i64> = store.run_script(&take, &["stock:42"], &[3]).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Script {
    source: Arc<str>,
    hash: Arc<str>,
}

impl Script {
    /// A script in Lua; it finds its keys in `KEYS`, with the prefix, and its arguments in `ARGV`.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self {
            source: source.into(),
            hash: redis::Script::new(source).get_hash().into(),
        }
    }
}

impl Store {
    /// Runs a script. Its answer is read as with the methods: `i64`, `Option<String>`, `Vec<..>`.
    ///
    /// `memory://` runs no scripts.
    pub fn run_script<R>(
        &self,
        script: &Script,
        keys: &[impl AsRef<str>],
        arguments: &[impl Encode],
    ) -> Call<R> {
        let draft = |word, script| {
            let count = i64::try_from(keys.len()).unwrap_or(i64::MAX);
            let mut draft = Draft::new(self.prefix(), word).word(script).int(count);
            for key in keys {
                draft = draft.key(key.as_ref());
            }
            for argument in arguments {
                draft = draft.value(argument);
            }
            draft.ready()
        };
        let by_hash = draft("EVALSHA", &script.hash);
        let in_full = draft("EVAL", &script.source);
        let shared = self.shared.clone();
        Call::of(async move {
            if let Some(fault) = by_hash.fault {
                return Err(shared.unwritable(&by_hash.keys, fault));
            }
            let mut result = shared.backend.query(&by_hash.cmd).await;
            if let Err(error) = &result
                && refusal_code(error) == Some("NOSCRIPT")
            {
                result = shared.backend.query(&in_full.cmd).await;
            }
            match result {
                Ok(value) => Ok(Answer::new(shared, by_hash.keys, value)),
                Err(error) => Err(shared.refused(&by_hash.keys, error)),
            }
        })
    }
}
