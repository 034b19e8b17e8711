//! The value of an option, where it is more than any expression.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Lit, LitStr, Path};

use crate::args::OnLost;
use crate::errors::Errors;
use crate::key::Template;

pub(crate) fn scope(value: &Expr, errors: &mut Errors) -> Option<Template> {
    match text(value) {
        Some(literal) if literal.value().is_empty() => {
            errors.at(literal, "an empty `scope` does nothing; leave it out");
            None
        }
        Some(literal) => Some(Template::parse(literal, errors)),
        None => {
            errors.at(
                value,
                "`scope` is a string literal, as in `scope = \"account\"`; it goes before the key \
                 with a colon between them",
            );
            None
        }
    }
}

pub(crate) fn client(value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Str(_)) => {
            errors.at(
                value,
                "`client` is the name of a Redis client in the configuration, as in `client = \
                 \"session\"`",
            );
            None
        }
        _ => Some(value),
    }
}

pub(crate) fn flag(value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Bool(_)) => {
            errors.at(
                value,
                "`auto_extend` is `true` or `false`, as in `auto_extend = false`",
            );
            None
        }
        _ => Some(value),
    }
}

pub(crate) fn on_lost(value: &Expr, errors: &mut Errors) -> Option<OnLost> {
    match word(value).map(ToString::to_string).as_deref() {
        Some("cancel") => Some(OnLost::Cancel),
        Some("signal") => Some(OnLost::Signal),
        _ => {
            errors.at(
                value,
                "`on_lost` is `cancel` (stop the body when the lock is lost) or `signal` (let it \
                 run; `lock.lost()` of `guard = lock` resolves)",
            );
            None
        }
    }
}

pub(crate) fn guard(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    let name = word(value).filter(|word| *word != "self");
    if name.is_none() {
        errors.at(
            value,
            "`guard` is the name under which the body finds the lock's handle, as in `guard = lock`",
        );
    }
    name.cloned()
}

pub(crate) fn krate(value: &Expr, errors: &mut Errors) -> Option<Path> {
    if let Expr::Path(ExprPath {
        qself: None, path, ..
    }) = ungrouped(value)
        && (path.leading_colon.is_some()
            || path
                .segments
                .first()
                .is_some_and(|first| first.ident == "crate"))
    {
        return Some(path.clone());
    }
    errors.at(
        value,
        format!(
            "`crate` is the absolute path of this library, as in `crate = ::{path}` or `crate = \
             crate::{path}`",
            path = shown(value, "klg_lock")
        ),
    );
    None
}

/// The string literal that an expression is.
pub(crate) fn text(value: &Expr) -> Option<&LitStr> {
    match ungrouped(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal),
        _ => None,
    }
}

/// The one identifier that an expression is.
pub(crate) fn word(value: &Expr) -> Option<&Ident> {
    match ungrouped(value) {
        Expr::Path(ExprPath {
            qself: None, path, ..
        }) => path.get_ident(),
        _ => None,
    }
}

/// The expression inside the invisible brackets that a `macro_rules` fragment comes in.
pub(crate) fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// The expression as text, where it is short enough for a sentence.
pub(crate) fn shown(value: &Expr, instead: &str) -> String {
    match word(value) {
        Some(word) => word.to_string(),
        None => match ungrouped(value) {
            Expr::Path(path) => path.to_token_stream().to_string().replace(' ', ""),
            _ => instead.to_owned(),
        },
    }
}
