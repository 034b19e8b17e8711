//! The names an attribute uses: the body need not use them again, and where they come out of a
//! pattern, they have to be brought into view.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, Lit};

use crate::args::Engine;
use crate::duration::Length;
use crate::key::Template;
use crate::plan::{Key, Layer};

/// Every name in the attribute. An expression is only looked through for identifiers, so that a
/// method's name counts as well; too many are harmless.
pub(crate) fn of(Layer { args, keys }: &Layer) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for key in keys {
        match key {
            Key::Text(template) => in_template(template, &mut names),
            Key::Computed(expr) => in_tokens(expr.to_token_stream(), &mut names),
            Key::Argument { value, .. } => {
                names.insert(value.root.to_string());
            }
        }
    }
    if let Some(template) = &args.scope {
        in_template(template, &mut names);
    }
    for length in [&args.ttl, &args.wait, &args.max_hold]
        .into_iter()
        .flatten()
    {
        if let Length::Computed(expr) = length {
            in_tokens(expr.to_token_stream(), &mut names);
        }
    }
    if let Engine::Client(expr) | Engine::Own(expr) = &args.engine {
        in_tokens(expr.to_token_stream(), &mut names);
    }
    let exprs = [&args.auto_extend, &args.on_locked, &args.on_error];
    for expr in exprs.into_iter().flatten() {
        in_tokens(expr.to_token_stream(), &mut names);
    }
    names
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
