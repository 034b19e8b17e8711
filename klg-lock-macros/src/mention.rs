//! The names an attribute uses: the body need not use them again, and where they come out of a
//! pattern, they have to be brought into view.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Lit};

use crate::args::{Args, Engine, KeyArg};
use crate::cache_args::{Codec, Refresh, Tags};
use crate::duration::Length;
use crate::key::Template;
use crate::plan::{Key, Layer};

/// Every name in the attribute. An expression is only looked through for identifiers, so that a
/// method's name counts as well; too many are harmless.
pub(crate) fn of(layer: &Layer) -> BTreeSet<String> {
    let mut names = of_entry(layer);
    let (lengths, exprs) = match &layer.args {
        Args::Lock(args) => (
            vec![&args.wait, &args.max_hold],
            vec![&args.auto_extend, &args.on_locked, &args.on_error],
        ),
        Args::Cache(args) => (Vec::new(), vec![&args.condition, &args.unless]),
    };
    in_lengths(lengths, &mut names);
    for expr in exprs.into_iter().flatten() {
        in_tokens(expr.to_token_stream(), &mut names);
    }
    match &layer.args {
        Args::Lock(args) => {
            if let Some(fair) = &args.fair {
                in_tokens(fair.value.to_token_stream(), &mut names);
            }
        }
        Args::Cache(args) => {
            if let Refresh::Own(expr) = &args.refresh {
                in_tokens(expr.to_token_stream(), &mut names);
            }
        }
    }
    names
}

/// The names in what says which entry it is, and how it is kept.
pub(crate) fn of_entry(layer: &Layer) -> BTreeSet<String> {
    let Layer { args, scope, keys } = layer;
    let mut names = BTreeSet::new();
    for key in keys {
        match key {
            Key::Text(template) => in_template(template, &mut names),
            Key::Computed(expr) => in_tokens(expr.to_token_stream(), &mut names),
            Key::Argument(marked) => drop(names.insert(marked.value.root.to_string())),
            Key::Joined(marked) => {
                names.extend(marked.iter().map(|marked| marked.value.root.to_string()));
            }
        }
    }
    if let Some(template) = scope {
        in_template(template, &mut names);
    }
    if let Engine::Client(expr) | Engine::Own(expr) = &args.common().engine {
        in_tokens(expr.to_token_stream(), &mut names);
    }
    match args {
        Args::Lock(args) => in_lengths([&args.ttl], &mut names),
        Args::Cache(args) => {
            let lengths = [
                &args.ttl,
                &args.stale,
                &args.none_ttl,
                &args.l1_ttl,
                &args.load_timeout,
            ];
            in_lengths(lengths, &mut names);
            for expr in [&args.beta, &args.l1, &args.name].into_iter().flatten() {
                in_tokens(expr.to_token_stream(), &mut names);
            }
            if let Some(Codec::Own(expr)) = &args.codec {
                in_tokens(expr.to_token_stream(), &mut names);
            }
            match &args.tags {
                Some(Tags::Computed(expr)) => in_tokens(expr.to_token_stream(), &mut names),
                Some(Tags::List(tags)) => tags.iter().for_each(|tag| match tag {
                    KeyArg::Text(template) => in_template(template, &mut names),
                    KeyArg::Computed(expr) => in_tokens(expr.to_token_stream(), &mut names),
                }),
                None => {}
            }
        }
    }
    names
}

fn in_lengths<'a>(
    lengths: impl IntoIterator<Item = &'a Option<Length>>,
    names: &mut BTreeSet<String>,
) {
    for length in lengths.into_iter().flatten() {
        if let Length::Computed(expr) = length {
            in_tokens(expr.to_token_stream(), names);
        }
    }
}

/// The names in one expression.
pub(crate) fn in_expr(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    in_tokens(expr.to_token_stream(), &mut names);
    names
}

fn in_template(template: &Template, names: &mut BTreeSet<String>) {
    names.extend(template.placeholders().map(|value| value.root.to_string()));
}

fn in_tokens(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                names.insert(ident.to_string());
            }
            TokenTree::Group(group) => in_tokens(group.stream(), names),
            TokenTree::Literal(literal) => {
                if let Lit::Str(text) = Lit::new(literal) {
                    in_format(&text.value(), names);
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// `format!("{id}")` uses `id`.
fn in_format(text: &str, names: &mut BTreeSet<String>) {
    for after in text.split('{').skip(1) {
        let name: String = after
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        names.insert(name);
    }
}
