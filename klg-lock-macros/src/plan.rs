//! What is to be expanded: the attributes on a function, checked, with their keys settled.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Attribute, Expr, Path};

use crate::args::{KeyArg, LockArgs};
use crate::attribute::{Family, Kind, Written};
use crate::function::Function;
use crate::key::{Placeholder, Template};
use crate::{mention, source, validate};

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
    let mut attributes: Vec<LockArgs> = std::iter::once(written)
        .chain(std::mem::take(&mut function.siblings))
        .map(|written| match written.kind.family() {
            Family::Lock => LockArgs::read(written, &mut errors),
        })
        .collect();
    let function = &*function;

    validate::all(kind, &attributes, function, &mut errors);
    source::check(&attributes, function, &mut errors);
    for attribute in &mut attributes {
        source::resolve(attribute, function, &mut errors);
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
            None => source::arguments(function),
        };
        Self { args, keys }
    }
}
