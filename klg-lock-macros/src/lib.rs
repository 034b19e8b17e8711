//! The attributes of `klg-lock`; use them through that crate, which re-exports them.
//!
//! # Layout
//!
//! An attribute goes through stages, each of which knows nothing of the next:
//!
//! * parse: `attribute` says which attributes there are and which stand on one function, `raw`
//!   reads the brackets of any of them, `args` those of a lock with the `value`s of its
//!   options, a `duration` among them; `key` takes the text of a key apart;
//! * model: the `function` under the attribute and its `param`eters;
//! * validate: `validate` has the rules, `source` those about where a key comes from; what comes
//!   out is a `plan`;
//! * expand: `expand` writes the function, `request` what it asks of the engine, `arguments`
//!   how the arguments get into the body; `mention` tells which of them the attributes use;
//! * `fallback`: the item as it was, beside the `errors`, all of which are told at once.

mod args;
mod arguments;
mod attribute;
mod duration;
mod errors;
mod expand;
mod fallback;
mod function;
mod key;
mod mention;
mod param;
mod plan;
mod raw;
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
/// says otherwise. First come, first served inside a process; no order between processes.
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
#[proc_macro_attribute]
pub fn buffer_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::BufferLock, args.into(), item.into()).into()
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
