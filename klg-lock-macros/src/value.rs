//! The value of an option, where it is more than any expression.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Lit, LitStr, Path};

use crate::cache_args::{Codec, Refresh};
use crate::errors::Errors;
use crate::key::Template;
use crate::lock_args::OnLost;

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

/// A flag whose value may be computed when the program runs.
pub(crate) fn flag(name: &str, example: &str, value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Bool(_)) => {
            errors.at(
                value,
                format!("`{name}` is `true` or `false`, as in `{example}`"),
            );
            None
        }
        _ => Some(value),
    }
}

/// A flag that has to be known when the program is compiled.
pub(crate) fn switch(name: &str, value: &Expr, errors: &mut Errors) -> bool {
    literal_flag(value).unwrap_or_else(|| {
        errors.at(
            value,
            format!("`{name}` is there or not: write `{name}`, or leave it out"),
        );
        false
    })
}

/// The flag that a literal is.
pub(crate) fn literal_flag(value: &Expr) -> Option<bool> {
    match ungrouped(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(flag),
            ..
        }) => Some(flag.value),
        _ => None,
    }
}

pub(crate) fn factor(value: Expr, errors: &mut Errors) -> Option<Expr> {
    let negative = matches!(
        ungrouped(&value),
        Expr::Unary(syn::ExprUnary {
            op: syn::UnOp::Neg(_),
            ..
        })
    );
    let literal = match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) => matches!(lit, Lit::Float(_)),
        _ => true,
    };
    if negative || !literal {
        errors.at(
            value,
            "`beta` is a number from 0.0 (never refresh early) over 1.0 (the default) to larger ones \
             (earlier), as in `beta = 2.0`",
        );
        return None;
    }
    Some(value)
}

pub(crate) fn codec(value: Expr, errors: &mut Errors) -> Option<Codec> {
    match word(&value).map(ToString::to_string).as_deref() {
        Some("msgpack") => Some(Codec::MessagePack),
        Some("json") => Some(Codec::Json),
        _ if matches!(ungrouped(&value), Expr::Lit(_)) => {
            errors.at(
                value,
                "`codec` is `msgpack`, `json`, or an expression whose type implements \
                 `klg_lock::cache::Codec`",
            );
            None
        }
        _ => Some(Codec::Own(value)),
    }
}

pub(crate) fn refresh(value: Expr, errors: &mut Errors) -> Refresh {
    let word = word(&value).cloned();
    match word.as_ref().map(ToString::to_string).as_deref() {
        Some("foreground") => return Refresh::Foreground,
        Some("background") => return word.map_or(Refresh::Foreground, Refresh::Background),
        _ => {}
    }
    if word.is_some() || matches!(ungrouped(&value), Expr::Lit(_)) {
        errors.at(
            value,
            "`refresh` is `foreground` (the caller that is to load a stale value anew waits for it), \
             `background` (nobody waits), or a call that gives the future to run in the background, \
             as in `refresh = load_user(id)`",
        );
        return Refresh::Foreground;
    }
    Refresh::Own(value)
}

pub(crate) fn name(value: Expr, errors: &mut Errors) -> Option<Expr> {
    match ungrouped(&value) {
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Str(_)) => {
            errors.at(
                value,
                "`name` is what the calls are counted under, as in `name = \"users\"`",
            );
            None
        }
        _ => Some(value),
    }
}

pub(crate) fn entry(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    let name = word(value).filter(|word| *word != "self");
    if name.is_none() {
        errors.at(
            value,
            "`entry` is the name of a function to generate, by which the cached values are read, \
             put, evicted and refreshed, as in `entry = user_entry`",
        );
    }
    name.cloned()
}

pub(crate) fn ids(value: &Expr, errors: &mut Errors) -> Option<Ident> {
    let name = word(value).filter(|word| *word != "self");
    if name.is_none() {
        errors.at(
            value,
            "`keys` is the parameter that has the ids, as in `keys = ids`",
        );
    }
    name.cloned()
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
