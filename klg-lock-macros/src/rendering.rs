//! A key, or a tag, as an expression.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Meta};

use crate::attribute::Family;
use crate::expand::ours;
use crate::key::{Fields, Origin, Piece, Placeholder, Template};
use crate::plan::{Key, Marked};

/// An expression for a key: a text where it is the same for every call, else a `String`.
pub(crate) fn key(scope: Option<&Template>, key: &Key, private: &TokenStream) -> TokenStream {
    let own = match key {
        Key::Text(template) => {
            if let Some(constant) = constant(scope, template) {
                return quote_spanned!(template.literal.span()=> #constant);
            }
            parts(template)
        }
        Key::Computed(expr) => borrowed(expr),
        Key::Argument(marked) => part(&marked.value),
        Key::Joined(marked) => {
            let scope = scope.map(parts);
            let parts = marked.iter().map(|Marked { value, cfg }| {
                let part = part(value);
                quote!(#(#cfg)* #part)
            });
            return quote!(#private::joined(&[#scope], &[#(#parts),*]));
        }
    };
    let scope = scope.map(parts);
    let cfg = conditions(key);
    quote!(#(#cfg)* #private::key(&[#scope], &[#own]))
}

/// The same, a `String` in any case.
pub(crate) fn owned(scope: Option<&Template>, each: &Key, private: &TokenStream) -> TokenStream {
    let tokens = key(scope, each, private);
    match each {
        Key::Text(template) if constant(scope, template).is_some() => {
            quote!(::std::string::String::from(#tokens))
        }
        _ => tokens,
    }
}

/// The key where it is the same for every call; an empty one stays empty, so that it is refused.
fn constant(scope: Option<&Template>, key: &Template) -> Option<String> {
    let key = key.constant()?;
    match scope {
        Some(scope) if !key.is_empty() => Some(format!("{}:{key}", scope.constant()?)),
        _ => Some(key.to_owned()),
    }
}

fn parts(template: &Template) -> TokenStream {
    let pieces = template.pieces.iter().map(|piece| match piece {
        Piece::Text(text) => quote_spanned!(template.literal.span()=> &#text),
        Piece::Value(value) => part(value),
    });
    quote!(#(#pieces),*)
}

fn part(Placeholder { root, fields, .. }: &Placeholder) -> TokenStream {
    let borrow = syn::Token![&](root.span().resolved_at(Span::mixed_site()));
    let mut tokens = borrow.to_token_stream();
    root.to_tokens(&mut tokens);
    fields.to_tokens(&mut tokens);
    tokens
}

/// `&(expr)`, where the expression stands.
pub(crate) fn borrowed(expr: &Expr) -> TokenStream {
    let span = expr.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> &(#expr))
}

/// The conditions under which a key exists.
pub(crate) fn conditions(key: &Key) -> &[Attribute] {
    match key {
        Key::Argument(marked) => &marked.cfg,
        Key::Text(_) | Key::Computed(_) | Key::Joined(_) => &[],
    }
}

/// An error for the configuration in which none of the marked parameters exists.
pub(crate) fn absent(keys: &[Key], family: Family) -> TokenStream {
    let mut marked: Vec<&Marked> = Vec::new();
    for key in keys {
        match key {
            Key::Argument(one) => marked.push(one),
            Key::Joined(several) => marked.extend(several),
            Key::Text(_) | Key::Computed(_) => return TokenStream::new(),
        }
    }
    if marked.is_empty() || marked.iter().any(|marked| marked.cfg.is_empty()) {
        return TokenStream::new();
    }
    let any = marked.iter().map(|marked| {
        let all = marked.cfg.iter().filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(&list.tokens),
            _ => None,
        });
        quote!(all(#(#all),*))
    });
    let message = format!(
        "no `#[{}]` parameter is left in this configuration",
        family.helper()
    );
    quote! {
        #[cfg(not(any(#(#any),*)))]
        ::core::compile_error!(#message);
    }
}

/// What the arguments have to say in a key that is made when they are gone.
#[derive(Default)]
pub(crate) struct Kept {
    /// The statements that keep it.
    pub(crate) statements: TokenStream,
    count: usize,
}

impl Kept {
    /// The template with what is kept in the place of the arguments.
    pub(crate) fn template(
        &mut self,
        template: &Template,
        views: &TokenStream,
        private: &TokenStream,
    ) -> Template {
        let mut template = template.clone();
        for piece in &mut template.pieces {
            let Piece::Value(value) = piece else { continue };
            if value.origin == Origin::Later {
                continue;
            }
            let mut kept: Ident = ours(&format!("part{}", self.count));
            kept.set_span(value.root.span().resolved_at(Span::mixed_site()));
            self.count += 1;
            let part = part(value);
            self.statements
                .extend(quote!(let #kept = { #views #private::key(&[], &[#part]) };));
            value.root = kept;
            value.fields = Fields::default();
        }
        template
    }

    /// What an expression displays, as it is before the body runs.
    pub(crate) fn expr(
        &mut self,
        expr: &Expr,
        views: &TokenStream,
        private: &TokenStream,
    ) -> TokenStream {
        let kept = ours(&format!("part{}", self.count));
        self.count += 1;
        let part = borrowed(expr);
        self.statements
            .extend(quote!(let #kept = { #views #private::key(&[], &[#part]) };));
        kept.to_token_stream()
    }
}
