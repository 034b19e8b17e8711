//! Where the keys come from: the attribute itself, or the marked parameters.

use proc_macro2::Ident;

use crate::args::{KeyArg, LockArgs};
use crate::attribute::Family;
use crate::errors::{Errors, list, nearest};
use crate::function::Function;
use crate::key::{Fields, Piece, Placeholder};
use crate::plan::Key;

/// The key comes from one place: the attribute, or the marked parameters.
pub(crate) fn check(attributes: &[LockArgs], function: &Function, errors: &mut Errors) {
    let helper = Family::Lock.helper();
    let mut marked = function
        .params
        .iter()
        .flat_map(|param| param.keys.iter().map(move |key| (param, key)))
        .filter(|(_, key)| key.family == Family::Lock)
        .peekable();
    if marked.peek().is_none() {
        for args in attributes.iter().filter(|args| args.keys.is_none()) {
            let name = args.written.kind.name();
            let example = function
                .names()
                .find(|name| *name != "self")
                .map_or_else(String::new, |arg| {
                    format!(" or `#[{name}(\"name:{{{arg}}}\")]`")
                });
            errors.push(syn::Error::new(
                args.written.span,
                format!(
                    "nothing says what to lock: write `#[{name}(\"name\")]`{example}, or put \
                     `#[{helper}]` before a parameter"
                ),
            ));
        }
        return;
    }
    // Every attribute has a key of its own, so that nobody needs the marked parameters.
    let [args, ..] = attributes else { return };
    if attributes.iter().any(|args| args.keys.is_none()) {
        return;
    }
    let text = match args.keys.as_deref() {
        Some([KeyArg::Text(template)]) => Some(template.literal.value()),
        _ => None,
    };
    for (param, key) in marked {
        let fields = &key.fields;
        let fix = match (&text, param.names.as_slice()) {
            (Some(text), [name]) => {
                let path = quote::quote!(#name #fields).to_string().replace(' ', "");
                format!(
                    "; keep one: `\"{text}:{{{path}}}\"` as the key, or `scope = \"{text}\"` beside \
                     `#[{helper}]`"
                )
            }
            _ => "; keep one of the two".to_owned(),
        };
        errors.at(
            &key.attr,
            format!(
                "the key is given twice, by `#[{}(..)]` and here{fix}",
                args.written.kind.name()
            ),
        );
    }
}

/// Placeholders name parameters; each gets the parameter's own identifier, shown at the literal.
pub(crate) fn resolve(args: &mut LockArgs, function: &Function, errors: &mut Errors) {
    let keys = args.keys.iter_mut().flatten();
    let templates = keys
        .filter_map(|key| match key {
            KeyArg::Text(template) => Some(template),
            KeyArg::Computed(_) => None,
        })
        .chain(&mut args.scope);
    for template in templates {
        for piece in &mut template.pieces {
            let Piece::Value(value) = piece else { continue };
            match function.names().find(|name| **name == value.root) {
                Some(name) => {
                    let mut root = name.clone();
                    root.set_span(value.root.span().resolved_at(name.span()));
                    value.root = root;
                }
                None => errors.at(&template.literal, unknown(&value.root, function)),
            }
        }
    }
}

fn unknown(root: &Ident, function: &Function) -> String {
    let names: Vec<String> = function.names().map(ToString::to_string).collect();
    let names = || names.iter().map(String::as_str);
    let written = root.to_string();
    let name = &function.sig.ident;
    let there_are = match names().count() {
        0 => format!("`{name}` has none"),
        1 => format!("its only one is {}", list(names())),
        _ => format!("they are {}", list(names())),
    };
    let help = if written == "self" {
        "this function has no `self`".to_owned()
    } else if let Some(meant) = nearest(&written, names()) {
        format!("did you mean `{{{meant}}}`?")
    } else if function
        .params
        .iter()
        .any(|p| p.ident.to_string().starts_with("__arg"))
    {
        let helper = Family::Lock.helper();
        format!("a parameter that is a pattern is marked instead, `#[{helper}(\"{written}\")]`")
    } else {
        format!("for a constant or any other expression write `key = format!(\"..{{{written}}}\")`")
    };
    format!("`{{{written}}}` is no parameter of `{name}` ({there_are}); {help}")
}

/// The keys that the marked parameters give.
pub(crate) fn arguments(function: &Function) -> Vec<Key> {
    let mut keys = Vec::new();
    for param in &function.params {
        for key in &param.keys {
            let mut root = param.ident.clone();
            root.set_span(key.span.resolved_at(param.ident.span()));
            let fields: Fields = key.fields.clone();
            keys.push(Key::Argument {
                value: Placeholder { root, fields },
                cfg: param.cfg.clone(),
            });
        }
    }
    keys
}
