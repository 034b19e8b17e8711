//! The rules that an attribute and its function keep together, except those about keys and those
//! about caches.

use proc_macro2::Ident;

use crate::args::Args;
use crate::attribute::{Family, Kind};
use crate::errors::Errors;
use crate::function::{Body, Function, Output};
use crate::lock_args::LockArgs;
use crate::param::Form;

/// Reports every rule that is broken.
pub(crate) fn all(kind: Kind, attributes: &[Args], function: &Function, errors: &mut Errors) {
    shape(kind, function, errors);
    marked_patterns(function, errors);
    let locks: Vec<&LockArgs> = attributes.iter().filter_map(Args::lock).collect();
    result(&locks, function, errors);
    guards(&locks, function, errors);
    for args in locks {
        order(args, function, errors);
    }
}

/// An `async fn`, or what `async_trait` makes of one.
fn shape(kind: Kind, function: &Function, errors: &mut Errors) {
    if let Body::Sync(_) = function.body {
        let name = kind.name();
        let what = match kind.family() {
            Family::Lock => "lock",
            Family::Cache => "cache",
        };
        errors.at(
            function.sig.fn_token,
            format!(
                "`#[{name}]` has to wait for the {what}, which only an `async fn` can: write `async` \
                 before `fn` (of functions that are not `async`, it knows those that end in \
                 `Box::pin(async move {{ .. }})`)"
            ),
        );
    }
}

/// In a function that is not async, a pattern has taken its argument apart before the future starts.
fn marked_patterns(function: &Function, errors: &mut Errors) {
    if !matches!(function.body, Body::Boxed(_)) {
        return;
    }
    for param in &function.params {
        if let Form::Pattern(pattern) = &param.form
            && !param.keys.is_empty()
        {
            errors.at(
                pattern,
                "give this parameter a name, and take it apart in the body: there is no whole value \
                 here to take a key from",
            );
        }
    }
}

/// Something has to be returned where there is no lock.
fn result(locks: &[&LockArgs], function: &Function, errors: &mut Errors) {
    let Output::Unit = function.output() else {
        return;
    };
    let Some(args) = locks
        .iter()
        .find(|args| args.on_locked.is_none() || args.on_error.is_none())
    else {
        return;
    };
    errors.at(
        &function.sig.ident,
        format!(
            "`#[{}]` may fail, and `{}` returns nothing to say so: let it return `Result<(), E>` \
             with `E: From<klg_lock::LockError>`, or say what to do instead, with both \
             `on_locked = ()` and `on_error = |error| ..`",
            args.common.written.kind.name(),
            function.sig.ident
        ),
    );
}

fn guards(locks: &[&LockArgs], function: &Function, errors: &mut Errors) {
    let mut taken: Vec<&Ident> = Vec::new();
    for guard in locks.iter().filter_map(|args| args.guard.as_ref()) {
        if function.names().any(|name| name == guard) {
            errors.at(
                guard,
                format!("`{guard}` is a parameter already; give the lock's handle another name"),
            );
        } else if taken.contains(&guard) {
            errors.at(
                guard,
                format!(
                    "another lock's handle is called `{guard}` already; give this one another name"
                ),
            );
        }
        taken.push(guard);
    }
}

/// An order is kept among those who wait for one resource.
fn order(args: &LockArgs, function: &Function, errors: &mut Errors) {
    let Some(fair) = args.fair.as_ref().filter(|fair| fair.is_wanted()) else {
        return;
    };
    let name = args.common.written.kind.name();
    if args.common.written.kind == Kind::MutexLock && args.wait.is_none() {
        errors.push(syn::Error::new(
            fair.span(),
            format!(
                "`fair` is an order among those who wait, and `#[{name}]` does not wait: add \
                 `wait = \"5s\"`, or write `#[buffer_lock(fair)]`"
            ),
        ));
    }
    let keys = match &args.common.keys {
        Some(keys) => keys.len(),
        None => {
            let keys = function.params.iter().flat_map(|param| &param.keys);
            keys.filter(|key| key.family == Family::Lock).count()
        }
    };
    if keys > 1 {
        errors.push(syn::Error::new(
            fair.span(),
            format!(
                "`fair` is an order among those who wait for one resource, and here are {keys}: \
                 leave it out, or lock one key"
            ),
        ));
    }
}
