//! What the expansion asks of the engine: whose lock, on which keys, with which options.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{TokenStreamExt, format_ident, quote};

use crate::args::Engine;
use crate::attribute::{Family, Kind};
use crate::lock_args::{LockArgs, OnLost};
use crate::plan::Layer;
use crate::rendering;

// Output:
//     ::klg_lock::private::Request::new(ENGINE, KEYS).ttl(..).auto_extend(..)
pub(crate) fn tokens(layer: &Layer, args: &LockArgs, private: &TokenStream) -> TokenStream {
    let absent = rendering::absent(&layer.keys, Family::Lock);
    let engine = engine(args, private);
    let keys = keys(layer, private);
    let options = options(args, private);
    quote!(#absent #private::Request::new(#engine, #keys) #options)
}

fn engine(args: &LockArgs, private: &TokenStream) -> TokenStream {
    let kind = match args.common.written.kind {
        Kind::BufferLock => "buffer",
        _ => "mutex",
    };
    match &args.common.engine {
        Engine::Current => {
            let current = format_ident!("{kind}");
            quote!(#private::#current())
        }
        Engine::Client(client) => {
            let of_client = format_ident!("{kind}_on");
            let client = rendering::borrowed(client);
            quote!(#private::#of_client(#client))
        }
        Engine::Own(engine) => {
            let own = format_ident!("{kind}_of");
            let engine = rendering::borrowed(engine);
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
    if let Some(fair) = &args.fair {
        let value = &fair.value;
        options.append_all(quote!(.fair(#value)));
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
    let scope = layer.scope.as_ref();
    let keys = layer.keys.iter();
    let keys = keys.map(|each| rendering::key(scope, each, private));
    match layer.keys.as_slice() {
        [one] if rendering::conditions(one).is_empty() => quote!(#(#keys)*),
        _ => quote!([#(#keys),*]),
    }
}
