//! The text of a key: `"order:{order_id}:{line.sku}"`, and the paths in it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Index, LitStr, Member};

use crate::errors::Errors;

/// A key literal taken apart.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) literal: LitStr,
    pub(crate) pieces: Vec<Piece>,
}

#[derive(Clone)]
pub(crate) enum Piece {
    Text(String),
    Value(Placeholder),
}

/// `{order.line.0}`: a parameter, or `self`, and the way to a field of it.
#[derive(Clone)]
pub(crate) struct Placeholder {
    pub(crate) root: Ident,
    pub(crate) fields: Fields,
    pub(crate) origin: Origin,
}

/// When a value is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An argument: before the body runs.
    Argument,
    /// What the body returned, `{return.id}`; or the one id among several that a key is of.
    Later,
}

/// `line.0`: the way from a value to a field.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<Member>);

impl Template {
    /// Reads a literal; every placeholder that is no good is reported.
    pub(crate) fn parse(literal: &LitStr, errors: &mut Errors) -> Self {
        let text = literal.value();
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = brace.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = brace.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some(after) = brace.strip_prefix('}') {
                errors.at(
                    literal,
                    "this `}` closes nothing; a brace that belongs to the key is written `}}`",
                );
                rest = after;
            } else {
                let inside = brace.strip_prefix('{').unwrap_or(brace);
                let Some((placeholder, after)) = inside.split_once('}') else {
                    errors.at(
                        literal,
                        "this `{` is never closed; a brace that belongs to the key is written `{{`",
                    );
                    rest = "";
                    break;
                };
                match Placeholder::parse(placeholder, literal.span()) {
                    Ok(value) => {
                        if !plain.is_empty() {
                            pieces.push(Piece::Text(std::mem::take(&mut plain)));
                        }
                        pieces.push(Piece::Value(value));
                    }
                    Err(complaint) => errors.at(literal, complaint),
                }
                rest = after;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self {
            literal: literal.clone(),
            pieces,
        }
    }

    /// The name of a function, shown where that is written.
    pub(crate) fn fixed(name: &Ident) -> Self {
        let text = name.unraw().to_string();
        Self {
            literal: LitStr::new(&text, name.span()),
            pieces: vec![Piece::Text(text)],
        }
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(value) => Some(value),
            Piece::Text(_) => None,
        })
    }

    /// Whether it can be rendered before the body runs.
    pub(crate) fn is_early(&self) -> bool {
        self.placeholders()
            .all(|value| value.origin == Origin::Argument)
    }

    /// The whole text, where it depends on nothing.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Placeholder {
    fn parse(inside: &str, span: Span) -> Result<Self, String> {
        let expression = "for anything else write `key = format!(..)`";
        if inside.trim().is_empty() {
            return Err(
                "`{}` names nothing; write the parameter's name into it, as in `{id}`".to_owned(),
            );
        }
        if let Some((name, spec)) = inside.split_once(':') {
            let name = if name.trim().is_empty() {
                "id"
            } else {
                name.trim()
            };
            return Err(format!(
                "a key takes no format spec; write `{{{name}}}` without `:{spec}`, or \
                 `key = format!(\"{{{name}:{spec}}}\")`"
            ));
        }
        if inside.trim().starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!(
                "`{{{inside}}}` counts arguments, and a key has none to count; write the \
                 parameter's name, as in `{{id}}`"
            ));
        }
        let complaint = || {
            format!(
                "`{{{inside}}}` is no placeholder; write a parameter and its fields, as in \
                 `{{id}}` or `{{order.line.0}}`; {expression}"
            )
        };
        let (root, fields) = match inside.split_once('.') {
            Some((root, fields)) => (root, Some(fields)),
            None => (inside, None),
        };
        let root = Ident::parse_any
            .parse_str(root.trim())
            .map_err(|_| complaint())?;
        let keyword = syn::parse_str::<Ident>(&root.to_string()).is_err();
        if keyword && root != "self" && root != RETURN {
            return Err(complaint());
        }
        let fields = match fields {
            Some(fields) => Fields::parse(fields, span).ok_or_else(complaint)?,
            None => Fields::default(),
        };
        Ok(Self {
            root: at(span, root),
            fields,
            origin: Origin::Argument,
        })
    }

    /// Whether it is written as `{return}`.
    pub(crate) fn is_result(&self) -> bool {
        self.root == RETURN
    }
}

/// The name of the result.
const RETURN: &str = "return";

/// The same identifier, shown at `span`.
fn at(span: Span, mut ident: Ident) -> Ident {
    ident.set_span(span);
    ident
}

impl Fields {
    /// Reads `a.b.0`; `None` where that is something else.
    pub(crate) fn parse(text: &str, span: Span) -> Option<Self> {
        text.split('.')
            .map(|part| Self::member(part.trim(), span))
            .collect::<Option<_>>()
            .map(Self)
    }

    fn member(part: &str, span: Span) -> Option<Member> {
        if let Ok(ident) = syn::parse_str::<Ident>(part) {
            return Some(Member::Named(at(span, ident)));
        }
        let index: u32 = part.parse().ok()?;
        (part == index.to_string()).then_some(Member::Unnamed(Index { index, span }))
    }
}

impl ToTokens for Fields {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for member in &self.0 {
            // The dot too, so that "no field" and the like are shown at the text they come from.
            let dot = syn::Token![.](member_span(member));
            tokens.extend(quote!(#dot #member));
        }
    }
}

fn member_span(member: &Member) -> Span {
    match member {
        Member::Named(ident) => ident.span(),
        Member::Unnamed(index) => index.span,
    }
}
