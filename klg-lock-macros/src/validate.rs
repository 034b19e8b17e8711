//! The rules that an attribute and its function keep together.

use proc_macro2::Ident;

use crate::args::LockArgs;
use crate::attribute::Kind;
use crate::errors::Errors;
use crate::function::{Body, Function, Output};
use crate::param::Form;

/// Reports every rule that is broken, except those about keys.
pub(crate) fn all(kind: Kind, attributes: &[LockArgs], function: &Function, errors: &mut Errors) {
    shape(kind, function, errors);
    marked_patterns(function, errors);
    result(attributes, function, errors);
    guards(attributes, function, errors);
}

/// An `async fn`, or what `async_trait` makes of one.
fn shape(kind: Kind, function: &Function, errors: &mut Errors) {
    if let Body::Sync(_) = function.body {
        let name = kind.name();
        errors.at(
            function.sig.fn_token,
            format!(
                "`#[{name}]` has to wait for the lock, which only an `async fn` can: write `async` \
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
fn result(attributes: &[LockArgs], function: &Function, errors: &mut Errors) {
    let Output::Unit = function.output() else {
        return;
    };
    let Some(args) = attributes
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
            args.written.kind.name(),
            function.sig.ident
        ),
    );
}

fn guards(attributes: &[LockArgs], function: &Function, errors: &mut Errors) {
    let mut taken: Vec<&Ident> = Vec::new();
    for guard in attributes.iter().filter_map(|args| args.guard.as_ref()) {
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
