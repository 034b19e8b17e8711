//! What the expansion asks of the engine: whose lock, on which keys, with which options.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, TokenStreamExt, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Meta};

use crate::args::{Engine, LockArgs, OnLost};
use crate::attribute::Kind;
use crate::key::{Piece, Placeholder, Template};
use crate::plan::{Key, Layer};

// Output:
//     ::klg_lock::private::Request::new(ENGINE, KEYS).ttl(..).auto_extend(..)
pub(crate) fn tokens(layer: &Layer, private: &TokenStream) -> TokenStream {
    let absent = absent(&layer.keys);
    let engine = engine(&layer.args, private);
    let keys = keys(layer, private);
    let options = options(&layer.args, private);
    quote!(#absent #private::Request::new(#engine, #keys) #options)
}

fn engine(args: &LockArgs, private: &TokenStream) -> TokenStream {
    let kind = match args.written.kind {
        Kind::MutexLock => "mutex",
        Kind::BufferLock => "buffer",
    };
    match &args.engine {
        Engine::Current => {
            let current = format_ident!("{kind}");
            quote!(#private::#current())
        }
        Engine::Client(client) => {
            let of_client = format_ident!("{kind}_on");
            let client = borrowed(client);
            quote!(#private::#of_client(#client))
        }
        Engine::Own(engine) => {
            let own = format_ident!("{kind}_of");
            let engine = borrowed(engine);
            quote!(#private::#own(#engine))
        }
    }
}

fn options(args: &LockArgs, private: &TokenStream) -> TokenStream {
    let mut options = TokenStream::new();
    let lengths = [
        ("ttl", &args.ttl),
        ("wait", &args.wait),
        ("max_hold", &args.max_hold),
    ];
    for (name, length) in lengths {
        if let Some(length) = length {
            let name = Ident::new(name, Span::call_site());
            options.append_all(quote!(.#name(#length)));
        }
    }
    if let Some(flag) = &args.auto_extend {
        options.append_all(quote!(.auto_extend(#flag)));
    }
    match args.on_lost {
        Some(OnLost::Cancel) => options.append_all(quote!(.on_lost(#private::OnLost::Cancel))),
        Some(OnLost::Signal) => options.append_all(quote!(.on_lost(#private::OnLost::Signal))),
        None => {}
    }
    options
}

/// One resource, or an array of them.
fn keys(layer: &Layer, private: &TokenStream) -> TokenStream {
    let scope = layer.args.scope.as_ref();
    let keys = layer.keys.iter().map(|each| key(scope, each, private));
    match layer.keys.as_slice() {
        [one] if conditions(one).is_empty() => quote!(#(#keys)*),
        _ => quote!([#(#keys),*]),
    }
}

fn key(scope: Option<&Template>, key: &Key, private: &TokenStream) -> TokenStream {
    let own = match key {
        Key::Text(template) => {
            if let Some(constant) = constant(scope, template) {
                return quote_spanned!(template.literal.span()=> #constant);
            }
            parts(template)
        }
        Key::Computed(expr) => borrowed(expr),
        Key::Argument { value, .. } => part(value),
    };
    let scope = scope.map(parts);
    let cfg = conditions(key);
    quote!(#(#cfg)* #private::key(&[#scope], &[#own]))
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

fn part(Placeholder { root, fields }: &Placeholder) -> TokenStream {
    let borrow = syn::Token![&](root.span().resolved_at(Span::mixed_site()));
    let mut tokens = borrow.to_token_stream();
    root.to_tokens(&mut tokens);
    fields.to_tokens(&mut tokens);
    tokens
}

/// `&(expr)`, where the expression stands.
fn borrowed(expr: &Expr) -> TokenStream {
    let span = expr.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> &(#expr))
}

fn conditions(key: &Key) -> &[Attribute] {
    match key {
        Key::Argument { cfg, .. } => cfg,
        Key::Text(_) | Key::Computed(_) => &[],
    }
}

/// An error for the configuration in which none of the marked parameters exists.
fn absent(keys: &[Key]) -> TokenStream {
    if keys.iter().any(|key| conditions(key).is_empty()) {
        return TokenStream::new();
    }
    let any = keys.iter().map(|key| {
        let all = conditions(key).iter().filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(&list.tokens),
            _ => None,
        });
        quote!(all(#(#all),*))
    });
    quote! {
        #[cfg(not(any(#(#any),*)))]
        ::core::compile_error!("no `#[lock_key]` parameter is left in this configuration");
    }
}
