//! The function beside a cached one, by which its cached values are read, put, evicted, refreshed.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{GenericArgument, PathArguments, ReturnType, Signature, Type};

use crate::arguments;
use crate::cache_args::CacheArgs;
use crate::cache_layer;
use crate::cache_request::CacheRequest;
use crate::expand;
use crate::function::{Function, Output};
use crate::mention;
use crate::plan::{Layer, Plan};

/// The functions that the attributes ask for.
pub(crate) fn all(function: &Function, plan: &Plan, private: &TokenStream) -> TokenStream {
    let layers = plan.layers.iter().filter_map(|layer| {
        let args = layer.args.cache()?;
        let name = args.entry.as_ref()?;
        Some(one(function, plan, layer, args, name, private))
    });
    layers.collect()
}

// Input:
//     #[cached("user:{id}", ttl = "5m", entry = user_entry)]
//     pub async fn find_user(&self, id: u64, deep: bool) -> Result<User, AppError> { BODY }
//
// Output, beside the function:
//     #[doc = ".."]
//     pub fn user_entry(id: u64) -> ::klg_lock::cache::attribute::CachedCall<User> {
//         returns::<Result<User, AppError>>().kind().call({ REQUEST })
//     }
//
// It takes the arguments that the attribute uses, `self` among them, and no others. What is named
// here as its value is checked by the compiler against what the function does return.
fn one(
    function: &Function,
    plan: &Plan,
    layer: &Layer,
    args: &CacheArgs,
    name: &Ident,
    private: &TokenStream,
) -> TokenStream {
    let Output::Type(output) = function.output() else {
        return TokenStream::new();
    };
    let attribute = cache_layer::attribute(plan);
    let mentioned = mention::of_entry(layer);
    let mut sig = expand::signature(function);
    sig.asyncness = None;
    sig.ident = name.clone();
    sig.inputs = used(function, &sig, &mentioned);
    let value = value(output);
    let returns: Type = Type::Verbatim(quote!(#attribute::CachedCall<#value>));
    sig.output = ReturnType::Type(Default::default(), Box::new(returns));
    let asking = CacheRequest {
        function,
        layer,
        args,
        views: arguments::views(function, &mentioned),
        private,
        attribute: &attribute,
    };
    let views = &asking.views;
    let entry = asking.entry();
    let kind = cache_layer::kind(function, &attribute);
    let conditions = function
        .attrs
        .iter()
        .filter(|attr| attr.path().is_ident("cfg"));
    let doc = format!(
        "What the cache has of `{}` with these arguments: read it, put, evict or refresh it.",
        function.sig.ident
    );
    let vis = &function.vis;
    quote! {
        #(#conditions)*
        #[doc = #doc]
        #vis #sig {
            #kind.call({ #views #entry })
        }
    }
}

fn used(
    function: &Function,
    sig: &Signature,
    mentioned: &std::collections::BTreeSet<String>,
) -> Punctuated<syn::FnArg, syn::Token![,]> {
    let params = function.params.iter().zip(&sig.inputs);
    let used = params.filter(|(param, _)| {
        let mut names = param.names.iter().chain([&param.ident]);
        names.any(|name| mentioned.contains(&name.to_string()))
    });
    used.map(|(_, arg)| arg.clone()).collect()
}

/// The `T` of what looks like a `Result<T, ..>`, else the type itself.
pub(crate) fn value(output: &Type) -> &Type {
    let ok = || {
        let Type::Path(path) = output else {
            return None;
        };
        let last = path.path.segments.last()?;
        if !last.ident.to_string().ends_with("Result") {
            return None;
        }
        let PathArguments::AngleBracketed(arguments) = &last.arguments else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
    };
    ok().unwrap_or(output)
}
