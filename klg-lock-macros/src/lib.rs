//! The attributes of `klg-lock`; use them through that crate, which re-exports them.
//!
//! # Layout
//!
//! An attribute is parsed, checked and expanded in stages, one file each:
//!
//! * [`attribute`]: which attributes there are, and which of them stand on one function;
//! * [`raw`]: the brackets of any attribute; [`args`]: those of a lock; [`duration`]: a length of time;
//! * [`key`]: the text of a key with its placeholders;
//! * [`function`]: the item under the attribute, and [`param`]: its parameters;
//! * [`validate`]: every rule that connects them, and the plan that comes out;
//! * [`expand`]: the plan as Rust; [`request`]: what it asks for; [`arguments`]: how they get into
//!   the body; [`mention`]: which of them the attributes use;
//! * [`fallback`]: the item as it was, beside the errors, where there are any;
//! * [`errors`]: the collection that lets all mistakes be told at once.

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
mod raw;
mod request;
mod validate;

#[cfg(test)]
mod tests;

use attribute::Kind;
use proc_macro2::TokenStream;

/// Runs the function under a lock that fails at once when somebody else holds it.
#[proc_macro_attribute]
pub fn mutex_lock(
    args: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand(Kind::MutexLock, args.into(), item.into()).into()
}

/// Runs the function under a lock that waits its turn.
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
    let mut function = match function::Function::parse(kind, item.clone()) {
        Ok(function) => function,
        Err(error) => return fallback::item(item, &error),
    };
    match validate::plan(kind, args, &mut function) {
        Ok(plan) => expand::function(&function, &plan),
        Err(refusal) => fallback::function(&function, &refusal),
    }
}
