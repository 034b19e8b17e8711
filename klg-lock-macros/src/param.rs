//! A parameter of the function: its name, what it binds, and the keys it is marked with.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Attribute, FnArg, LitStr, Meta, Pat, PatIdent, Token};

use crate::attribute::Family;
use crate::errors::Errors;
use crate::key::Fields;

pub(crate) struct Param {
    /// How the expansion calls it: `self`, its own name, or one of ours where it is taken apart.
    pub(crate) ident: Ident,
    pub(crate) form: Form,
    /// The conditions under which it exists.
    pub(crate) cfg: Vec<Attribute>,
    /// The names it brings into the body.
    pub(crate) names: Vec<Ident>,
    /// The helper attributes on it.
    pub(crate) keys: Vec<ParamKey>,
}

pub(crate) enum Form {
    Receiver,
    Name(Option<Token![mut]>),
    Pattern(Box<Pat>),
}

/// `#[lock_key("field.path")]` on a parameter.
#[derive(Clone)]
pub(crate) struct ParamKey {
    pub(crate) family: Family,
    pub(crate) attr: Attribute,
    pub(crate) fields: Fields,
    /// Where it is, for errors about the value itself.
    pub(crate) span: Span,
}

impl Param {
    /// Reads a parameter, and takes the helper attributes of `families` off it: others are for an
    /// attribute that expands later.
    pub(crate) fn read(
        position: usize,
        arg: &mut FnArg,
        families: &[Family],
        errors: &mut Errors,
    ) -> Self {
        let attrs = match arg {
            FnArg::Receiver(receiver) => &mut receiver.attrs,
            FnArg::Typed(typed) => &mut typed.attrs,
        };
        let mut keys: Vec<ParamKey> = Vec::new();
        attrs.retain(|attr| {
            let family = Family::of_helper(attr.path());
            let Some(family) = family.filter(|family| families.contains(family)) else {
                return true;
            };
            let key = ParamKey::read(family, attr, errors);
            if keys.iter().any(|other| other.is_same(&key)) {
                errors.at(
                    attr,
                    format!("`#[{}]` is here twice; remove one", family.helper()),
                );
            }
            keys.push(key);
            false
        });
        let cfg = attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .cloned()
            .collect();
        let (ident, form) = match arg {
            FnArg::Receiver(receiver) => (Ident::from(receiver.self_token), Form::Receiver),
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(PatIdent {
                    by_ref: None,
                    subpat: None,
                    ident,
                    mutability,
                    ..
                }) => (ident.clone(), Form::Name(*mutability)),
                pattern => {
                    let span = pattern.span().resolved_at(Span::mixed_site());
                    (
                        format_ident!("__klg_arg{position}", span = span),
                        Form::Pattern(Box::new(pattern.clone())),
                    )
                }
            },
        };
        let names = match &form {
            Form::Receiver | Form::Name(_) => vec![ident.clone()],
            Form::Pattern(pattern) => bound(pattern),
        };
        Self {
            ident,
            form,
            cfg,
            names,
            keys,
        }
    }
}

impl ParamKey {
    fn read(family: Family, attr: &Attribute, errors: &mut Errors) -> Self {
        let (fields, span) = match &attr.meta {
            Meta::Path(path) => (Some(Fields::default()), path.span()),
            Meta::List(list) => match syn::parse2::<LitStr>(list.tokens.clone()) {
                Ok(path) => (Fields::parse(&path.value(), path.span()), path.span()),
                Err(_) => (None, attr.span()),
            },
            Meta::NameValue(_) => (None, attr.span()),
        };
        if fields.is_none() {
            let (helper, verb) = (family.helper(), family.verb());
            let shown = inside(&attr.meta);
            errors.at(
                attr,
                format!(
                    "write `#[{helper}]` to {verb} by the argument itself, or `#[{helper}(\"{shown}\")]` \
                     to {verb} by a field of it (names and tuple positions, with dots between them)"
                ),
            );
        }
        Self {
            family,
            attr: attr.clone(),
            fields: fields.unwrap_or_default(),
            span,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.family == other.family && self.fields == other.fields
    }
}

/// What the user meant inside the brackets, if it can be told, as a field path.
fn inside(meta: &Meta) -> String {
    let tokens: TokenStream = match meta {
        Meta::Path(_) => TokenStream::new(),
        Meta::List(list) => list.tokens.clone(),
        Meta::NameValue(pair) => pair.value.to_token_stream(),
    };
    let text: String = tokens
        .to_string()
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '"')
        .collect();
    match Fields::parse(&text, Span::call_site()) {
        Some(_) => text,
        None => "id".to_owned(),
    }
}

/// The names a pattern binds, in the order they stand in it.
fn bound(pattern: &Pat) -> Vec<Ident> {
    struct Names(Vec<Ident>);
    impl Visit<'_> for Names {
        fn visit_pat_ident(&mut self, pattern: &PatIdent) {
            if !self.0.contains(&pattern.ident) {
                self.0.push(pattern.ident.clone());
            }
            syn::visit::visit_pat_ident(self, pattern);
        }
        // Expressions in a pattern (constants, ranges) bind nothing.
        fn visit_expr(&mut self, _: &syn::Expr) {}
    }
    let mut names = Names(Vec::new());
    names.visit_pat(pattern);
    names.0
}
