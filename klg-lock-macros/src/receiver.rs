//! The receiver under another name, for a body that outlives the call.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::{FnArg, ReceiverKind, Type};

use crate::function::Function;

/// Whether `self` is a reference: a body that outlives the call needs a clone of what is behind it.
pub(crate) fn is_borrowed(function: &Function) -> bool {
    match function.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => match &receiver.kind {
            ReceiverKind::Reference(..) => true,
            ReceiverKind::Typed(_, ty) => matches!(**ty, Type::Reference(_)),
            _ => false,
        },
        _ => false,
    }
}

/// Whether `self` is `&mut`.
pub(crate) fn is_exclusive(function: &Function) -> bool {
    match function.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => match &receiver.kind {
            ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
            ReceiverKind::Typed(_, ty) => {
                matches!(&**ty, Type::Reference(reference) if reference.mutability.is_some())
            }
            _ => false,
        },
        _ => false,
    }
}

/// `tokens` with `name` for `self`, except in the items among them, which have a `self` of their own.
pub(crate) fn rename(tokens: TokenStream, name: &Ident) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut in_item = false;
    while let Some(token) = tokens.next() {
        let token = match token {
            TokenTree::Ident(word) if in_item => TokenTree::Ident(word),
            TokenTree::Ident(word) => {
                let names_function = matches!(tokens.peek(), Some(TokenTree::Ident(_)));
                // `fn` without a name is a type.
                in_item = word == "impl" || word == "trait" || word == "fn" && names_function;
                if word == "self" {
                    let mut name = name.clone();
                    name.set_span(word.span().resolved_at(name.span()));
                    TokenTree::Ident(name)
                } else {
                    TokenTree::Ident(word)
                }
            }
            TokenTree::Group(group) if !in_item => {
                let inside = rename(group.stream(), name);
                let mut inner = Group::new(group.delimiter(), inside);
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            TokenTree::Group(group) => {
                in_item = group.delimiter() != Delimiter::Brace;
                TokenTree::Group(group)
            }
            other => other,
        };
        renamed.extend([token]);
    }
    renamed
}
