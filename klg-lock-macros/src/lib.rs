//! The attributes of `klg-lock`; use them through that crate, which re-exports them.
//!
//! # Layout
//!
//! An attribute goes through stages, each of which knows nothing of the next:
//!
//! * parse: `attribute` says which attributes there are and which stand on one function, `raw`
//!   reads the brackets of any of them, `args` what all have in there, `lock_args` and
//!   `cache_args` the rest, with the `value`s of the options, a `duration` among them; `key` takes
//!   the text of a key apart;
//! * model: the `function` under the attribute and its `param`eters;
//! * validate: `validate` has the rules, `cache_rules` those of caches, `source` those about where a
//!   key comes from; what comes out is a `plan`;
//! * expand: `expand` writes the function and its locks, `cache_layer` its caches; `request` and
//!   `cache_request` write what is asked of the engine and of the cache, `rendering` the keys,
//!   `arguments` how the arguments get into the body, and `receiver` how `self` gets into one that
//!   outlives the call; `mention` tells which of them the attributes use; `companion` writes the
//!   function beside a cached one;
//! * `fallback`: the item as it was, beside the `errors`, all of which are told at once.

mod args;
mod arguments;
mod attribute;
mod cache_args;
mod cache_layer;
mod cache_request;
mod cache_rules;
mod companion;
mod duration;
mod errors;
mod expand;
mod fallback;
mod function;
mod key;
mod lock_args;
mod mention;
mod param;
mod plan;
mod raw;
mod receiver;
mod rendering;
mod request;
mod source;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use attribute::Kind;
use proc_macro2::TokenStream;

#[doc = include_str!("mutex_lock.md")]
#[proc_macro_attribute]
pub fn mutex_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::MutexLock, args.into(), item.into()).into()
}

/// Runs an `async fn` under a lock that waits its turn: 10 minutes, unless the configuration or `wait`
/// says otherwise. First come, first served inside a process; between processes with `fair`.
///
/// For keys, options and everything else see [`#[mutex_lock]`](macro@mutex_lock), which differs in
/// nothing else.
///
/// ```
/// use klg_lock::{Config, LockError, buffer_lock};
///
/// #[buffer_lock("counter:{name}", wait = "5s")]
/// async fn count(name: &str) -> Result<usize, LockError> {
///     Ok(name.len())
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # klg_lock::init(Config::default().uri("memory://")).await?;
/// let (one, other) = tokio::join!(count("visits"), count("visits"));
/// assert_eq!(one? + other?, 12);
/// # klg_lock::registry()?.shutdown().await?; Ok(()) }
/// ```
///
/// `#[buffer_lock(fair)]` serves the waiters of all processes in the order in which they came:
///
/// ```
/// # use klg_lock::{Config, LockError, buffer_lock};
/// #[buffer_lock("printer", fair)]
/// async fn print(page: u32) -> Result<u32, LockError> {
///     Ok(page)
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # klg_lock::init(Config::default().uri("memory://")).await?;
/// assert_eq!(print(1).await?, 1);
/// # klg_lock::registry()?.shutdown().await?; Ok(()) }
/// ```
#[proc_macro_attribute]
pub fn buffer_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::BufferLock, args.into(), item.into()).into()
}

#[doc = include_str!("cached.md")]
#[proc_macro_attribute]
pub fn cached(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::Cached, args.into(), item.into()).into()
}

#[doc = include_str!("cached_many.md")]
#[proc_macro_attribute]
pub fn cached_many(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::CachedMany, args.into(), item.into()).into()
}

#[doc = include_str!("cache_put.md")]
#[proc_macro_attribute]
pub fn cache_put(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::CachePut, args.into(), item.into()).into()
}

#[doc = include_str!("cache_evict.md")]
#[proc_macro_attribute]
pub fn cache_evict(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::CacheEvict, args.into(), item.into()).into()
}

/// The whole way of one attribute and its siblings: parse, check, expand; or report and keep the
/// item.
fn expand(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    if attribute::is_mark(&args) {
        return TokenStream::new();
    }
    let mut function = match function::Function::parse(kind, item.clone()) {
        Ok(function) => function,
        Err(error) => return fallback::item(item, &error),
    };
    match plan::make(kind, args, &mut function) {
        Ok(plan) => expand::function(&function, &plan),
        Err(refusal) => fallback::function(&function, &refusal),
    }
}
