//! Every rule that connects an attribute with its function, and the plan that comes out.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Attribute, Expr, Path};

use crate::args::{KeyArg, LockArgs};
use crate::attribute::{Family, Kind, Written, is_conditional};
use crate::errors::{Errors, list, nearest};
use crate::function::{Body, Function, Output};
use crate::key::{Fields, Piece, Placeholder, Template};
use crate::mention;
use crate::param::Form;

/// What is to be expanded.
pub(crate) struct Plan {
    pub(crate) krate: Option<Path>,
    /// The upper attribute first, which is the outermost.
    pub(crate) layers: Vec<Layer>,
    /// The names that the attributes use, so that the body need not.
    pub(crate) mentioned: BTreeSet<String>,
}

/// One attribute with its keys settled.
pub(crate) struct Layer {
    pub(crate) args: LockArgs,
    pub(crate) keys: Vec<Key>,
}

/// One resource.
pub(crate) enum Key {
    Text(Template),
    Computed(Expr),
    Argument {
        value: Placeholder,
        cfg: Vec<Attribute>,
    },
}

/// What there is to say, and what the fallback needs to keep the body compiling.
pub(crate) struct Refusal {
    pub(crate) errors: syn::Error,
    pub(crate) krate: Option<Path>,
    pub(crate) guards: Vec<Ident>,
}

/// Checks the attribute `kind(args)`, with its siblings, against the function.
pub(crate) fn plan(
    kind: Kind,
    args: TokenStream,
    function: &mut Function,
) -> Result<Plan, Refusal> {
    let mut errors = std::mem::take(&mut function.errors);
    let written = Written {
        kind,
        args,
        span: Span::call_site(),
    };
    let mut attributes: Vec<LockArgs> = std::iter::once(written)
        .chain(std::mem::take(&mut function.siblings))
        .map(|written| match written.kind.family() {
            Family::Lock => LockArgs::read(written, &mut errors),
        })
        .collect();
    let function = &*function;

    shape(kind, function, &mut errors);
    order(function, &mut errors);
    marked_patterns(function, &mut errors);
    result(&attributes, function, &mut errors);
    guards(&attributes, function, &mut errors);
    key_sources(&attributes, function, &mut errors);
    for attribute in &mut attributes {
        placeholders(attribute, function, &mut errors);
    }

    let krate = attributes.iter().find_map(|args| args.krate.clone());
    let guards = attributes.iter().filter_map(|a| a.guard.clone()).collect();
    let layers: Vec<Layer> = attributes
        .into_iter()
        .map(|args| Layer::new(args, function))
        .collect();
    let mentioned = layers.iter().flat_map(mention::of).collect();
    errors
        .or(Plan {
            krate: krate.clone(),
            layers,
            mentioned,
        })
        .map_err(|errors| Refusal {
            errors,
            krate,
            guards,
        })
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

/// The order in which they are written is the order in which they nest.
fn order(function: &Function, errors: &mut Errors) {
    for attr in function.attrs.iter().filter(|attr| is_conditional(attr)) {
        errors.at(
            attr,
            "put this above the other attributes of this library: below them it would be expanded \
             last, and so end up outside of them",
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

/// The key comes from one place: the attribute, or the marked parameters.
fn key_sources(attributes: &[LockArgs], function: &Function, errors: &mut Errors) {
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
fn placeholders(args: &mut LockArgs, function: &Function, errors: &mut Errors) {
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

impl Layer {
    fn new(mut args: LockArgs, function: &Function) -> Self {
        let keys = match args.keys.take() {
            Some(keys) => keys
                .into_iter()
                .map(|key| match key {
                    KeyArg::Text(template) => Key::Text(template),
                    KeyArg::Computed(expr) => Key::Computed(expr),
                })
                .collect(),
            None => arguments(function),
        };
        Self { args, keys }
    }
}

/// The keys that the marked parameters give.
fn arguments(function: &Function) -> Vec<Key> {
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
