//! The item as it was, beside the errors: the IDE and the rest of the crate go on.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Token};

use crate::arguments;
use crate::attribute::{self, Family, take_siblings};
use crate::expand;
use crate::function::{Body, Function};
use crate::plan::Refusal;

/// A function whose attributes are no good: without them, as the user wrote it.
pub(crate) fn function(function: &Function, refusal: &Refusal) -> TokenStream {
    let errors = refusal.errors.to_compile_error();
    let head = function.head(&function.sig);
    let inner_attrs = &function.inner_attrs;
    let uses = arguments::uses(function);
    let body = match &function.body {
        Body::Async(body) => {
            let handles = handles(function, refusal);
            quote!(#handles #uses #body)
        }
        Body::Sync(body) => quote!(#uses #body),
        Body::Boxed(boxed) => {
            let stmts = &boxed.future.block.stmts;
            boxed.around(&quote!(#(#stmts)*))
        }
    };
    let siblings = attribute::mark_used(&function.sibling_paths);
    let body = expand::braces(function.brace, quote!(#(#inner_attrs)* #siblings #body));
    quote!(#errors #head #body)
}

/// The handles that the body expects, under the names that are free for them.
fn handles(function: &Function, refusal: &Refusal) -> TokenStream {
    let private = expand::private(refusal.krate.as_ref());
    let free = |guard: &&Ident| !function.names().any(|name| name == *guard);
    let guards = refusal.guards.iter().filter(free).map(|guard| {
        quote! {
            let ::core::option::Option::Some(#guard) =
                ::core::option::Option::None::<#private::LockHandle> else { loop {} };
            let _ = &#guard;
        }
    });
    guards.collect()
}

/// An item that could not be read as a function.
pub(crate) fn item(item: TokenStream, error: &syn::Error) -> TokenStream {
    let errors = error.to_compile_error();
    let item = without_ours(item);
    quote!(#errors #item)
}

/// The item without our attributes on it and on its parameters; each would be one more error.
fn without_ours(item: TokenStream) -> TokenStream {
    let attributes = |input: ParseStream<'_>| {
        let mut attrs = input.call(Attribute::parse_outer)?;
        take_siblings(&mut attrs);
        let rest: TokenStream = input.parse()?;
        Ok((attrs, rest))
    };
    let Ok((attrs, rest)) = attributes.parse2(item.clone()) else {
        return item;
    };
    let rest = rest.into_iter().map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {
            let mut plain = Group::new(Delimiter::Parenthesis, without_helpers(group.stream()));
            plain.set_span(group.span());
            TokenTree::Group(plain)
        }
        other => other,
    });
    let rest: TokenStream = rest.collect();
    quote!(#(#attrs)* #rest)
}

fn without_helpers(params: TokenStream) -> TokenStream {
    let strip = |input: ParseStream<'_>| {
        let mut kept = TokenStream::new();
        while !input.is_empty() {
            if input.peek(Token![#]) {
                for attr in input.call(Attribute::parse_outer)? {
                    if Family::of_helper(attr.path()).is_none() {
                        attr.to_tokens(&mut kept);
                    }
                }
            } else {
                kept.extend([input.parse::<TokenTree>()?]);
            }
        }
        Ok(kept)
    };
    strip.parse2(params.clone()).unwrap_or(params)
}
