//! What is to be expanded: the attributes on a function, checked, with their keys settled.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Attribute, Expr, Path};

use crate::args::{Args, KeyArg};
use crate::attribute::{Kind, Written};
use crate::function::Function;
use crate::key::{Placeholder, Template};
use crate::{cache_rules, mention, source, validate};

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
    pub(crate) args: Args,
    pub(crate) scope: Option<Template>,
    pub(crate) keys: Vec<Key>,
}

/// One key.
pub(crate) enum Key {
    Text(Template),
    Computed(Expr),
    Argument(Marked),
    /// One key of several marked parameters, with colons between them.
    Joined(Vec<Marked>),
}

/// A marked parameter, or a field of it.
pub(crate) struct Marked {
    pub(crate) value: Placeholder,
    pub(crate) cfg: Vec<Attribute>,
}

/// What there is to say, and what the fallback needs to keep the body compiling.
pub(crate) struct Refusal {
    pub(crate) errors: syn::Error,
    pub(crate) krate: Option<Path>,
    pub(crate) guards: Vec<Ident>,
}

/// Checks the attribute `kind(args)`, with its siblings, against the function.
pub(crate) fn make(
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
    let mut attributes: Vec<Args> = std::iter::once(written)
        .chain(std::mem::take(&mut function.siblings))
        .map(|written| Args::read(written, &mut errors))
        .collect();
    let function = &*function;

    validate::all(kind, &attributes, function, &mut errors);
    cache_rules::all(&attributes, function, &mut errors);
    source::check(&attributes, function, &mut errors);
    for attribute in &mut attributes {
        source::resolve(attribute, function, &mut errors);
    }

    let krate = attributes
        .iter()
        .find_map(|args| args.common().krate.clone());
    let locks = attributes.iter().filter_map(Args::lock);
    let guards = locks.filter_map(|args| args.guard.clone()).collect();
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

impl Layer {
    fn new(mut args: Args, function: &Function) -> Self {
        let family = args.family();
        let common = args.common_mut();
        let mut scope = common.scope.take();
        let written = common.keys.take();
        let keys = match (written, args.cache()) {
            (Some(keys), _) => keys
                .into_iter()
                .map(|key| match key {
                    KeyArg::Text(template) => Key::Text(template),
                    KeyArg::Computed(expr) => Key::Computed(expr),
                })
                .collect(),
            (None, Some(args)) if !args.has_key() => Vec::new(),
            (None, Some(_)) => {
                // Two functions that cache by id must not answer with each other's values.
                let name = || Template::fixed(&function.sig.ident);
                let marked = source::marked(function, family);
                if marked.is_empty() {
                    vec![Key::Text(name())]
                } else {
                    scope.get_or_insert_with(name);
                    vec![Key::Joined(marked)]
                }
            }
            (None, None) => {
                let marked = source::marked(function, family);
                marked.into_iter().map(Key::Argument).collect()
            }
        };
        Self { args, scope, keys }
    }
}
