//! The plan as Rust: the signature as it was, its statements inside a call of the library.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Pat, Path, Signature, token};

use crate::args::Args;
use crate::arguments;
use crate::attribute;
use crate::cache_layer::CacheLayer;
use crate::companion;
use crate::function::{Body, BoxedBody, Function, Output};
use crate::lock_args::LockArgs;
use crate::mention;
use crate::param::Form;
use crate::plan::{Layer, Plan};
use crate::request;

// Input:
//     #[mutex_lock("order:{id}", ttl = "30s", guard = lock)]
//     async fn ship(&self, id: u64, Line { sku, .. }: Line) -> Result<(), AppError> {
//         BODY
//     }
//
// Output:
//     async fn ship(&self, id: u64, __klg_arg2: Line) -> Result<(), AppError> {
//         let __klg_request = {
//             ::klg_lock::private::Request::new(
//                 ::klg_lock::private::mutex(),
//                 ::klg_lock::private::key(&[], &[&"order:", &id]),
//             )
//             .ttl(::core::time::Duration::new(30u64, 0u32))
//         };
//         ::klg_lock::private::run(
//             __klg_request,
//             move |lock| async move {
//                 if let Some(__klg_output) = None::<Result<(), AppError>> {
//                     return __klg_output;
//                 }
//                 let id = id;
//                 let _ = &id;
//                 let __klg_arg2 = __klg_arg2;
//                 let Line { sku, .. } = __klg_arg2;
//                 { BODY }
//             },
//             ::klg_lock::private::carry::<Result<(), AppError>>,
//         )
//         .await
//     }
//
// The arguments move into the inner future whole, whatever of them the body uses: they are gone
// when the lock is released.
pub(crate) fn function(function: &Function, plan: &Plan) -> TokenStream {
    let expansion = Expansion {
        function,
        plan,
        private: private(plan.krate.as_ref()),
        output: output(function),
    };
    let inner_attrs = &function.inner_attrs;
    let (sig, block) = match &function.body {
        Body::Boxed(body) => (function.sig.clone(), expansion.boxed(body)),
        Body::Async(body) | Body::Sync(body) => (signature(function), expansion.direct(body)),
    };
    let head = function.head(&sig);
    let siblings = attribute::mark_used(&function.sibling_paths);
    let body = braces(function.brace, quote!(#(#inner_attrs)* #siblings #block));
    let companions = companion::all(function, plan, &expansion.private);
    quote!(#head #body #companions)
}

/// The module of the library that expansions call.
pub(crate) fn private(krate: Option<&Path>) -> TokenStream {
    match krate {
        Some(path) => quote!(#path::private),
        None => quote!(::klg_lock::private),
    }
}

/// Braces where the user's are, but of our making: lints about braces are not for them.
pub(crate) fn braces(brace: token::Brace, content: TokenStream) -> TokenStream {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(brace.span.join().resolved_at(Span::mixed_site()));
    group.to_token_stream()
}

/// `__klg_{name}`, which no code of the user can see.
pub(crate) fn ours(name: &str) -> Ident {
    Ident::new(&format!("__klg_{name}"), Span::mixed_site())
}

/// The signature with a plain name for every argument.
pub(crate) fn signature(function: &Function) -> Signature {
    let mut sig = function.sig.clone();
    for (arg, param) in sig.inputs.iter_mut().zip(&function.params) {
        let FnArg::Typed(arg) = arg else { continue };
        let ident = &param.ident;
        match (&mut *arg.pat, &param.form) {
            // It is `mut` where it is used, inside.
            (Pat::Ident(name), Form::Name(_)) => name.mutability = None,
            // In parentheses it still looks like a pattern to the macros that expand later: tracing's
            // `instrument` would record, and want to be `Debug`, what has a name of its own.
            (pattern, _) => *pattern = Pat::Verbatim(quote!((#ident))),
        }
    }
    sig
}

/// The type of the body as it can be written inside of a body, where `impl Trait` is inferred.
fn output(function: &Function) -> TokenStream {
    match function.output() {
        Output::Type(ty) => {
            let mut ty = ty.clone();
            arguments::erase_impl_trait(&mut ty);
            ty.to_token_stream()
        }
        Output::Unit => quote!(()),
        Output::Unknown => quote!(_),
    }
}

struct Expansion<'a> {
    function: &'a Function,
    plan: &'a Plan,
    private: TokenStream,
    output: TokenStream,
}

impl Expansion<'_> {
    fn direct(&self, body: &TokenStream) -> TokenStream {
        let edge = self.return_edge();
        let arguments = arguments::own(self.function, &self.plan.mentioned);
        let body = braces(self.function.brace, body.clone());
        self.layers(quote!(#edge #arguments #body))
    }

    // Input:
    //     STATEMENTS
    //     Box::pin(async move { BODY })
    //
    // Output:
    //     STATEMENTS
    //     Box::pin(async move {
    //         let __klg_request = ..;
    //         ::klg_lock::private::run(__klg_request, move |_| async move { BODY }, ..).await
    //     })
    fn boxed(&self, boxed: &BoxedBody) -> TokenStream {
        let edge = self.return_edge();
        // What the key looked at moves inside whole, even where the body wants a field of it.
        let arguments = arguments::mention(self.function, &self.plan.mentioned);
        let stmts = &boxed.future.block.stmts;
        let body = self.layers(quote!(#edge #arguments { #(#stmts)* }));
        boxed.around(&body)
    }

    /// Eager inference of the body's type: errors in it point at the user's expression and at the
    /// type he declared.
    fn return_edge(&self) -> TokenStream {
        let output = &self.output;
        let declared = match self.function.output() {
            Output::Type(ty) => ty.span(),
            Output::Unit | Output::Unknown => self.function.sig.ident.span(),
        };
        let span = declared.resolved_at(Span::mixed_site());
        let returned = Ident::new("__klg_output", span);
        quote_spanned! {span=>
            if let ::core::option::Option::Some(#returned) = ::core::option::Option::None::<#output> {
                return #returned;
            }
        }
    }

    /// `body`, the content of the innermost future, under all the attributes.
    fn layers(&self, body: TokenStream) -> TokenStream {
        let layers = self.plan.layers.iter().rev();
        layers.fold(body, |inner, layer| self.layer(layer, &inner))
    }

    fn layer(&self, layer: &Layer, inner: &TokenStream) -> TokenStream {
        match &layer.args {
            Args::Lock(args) => self.lock(layer, args, inner),
            Args::Cache(args) => {
                let cached = CacheLayer::new(self.function, self.plan, layer, args, &self.private);
                cached.around(inner, &self.output)
            }
        }
    }

    fn lock(&self, layer: &Layer, args: &LockArgs, inner: &TokenStream) -> TokenStream {
        let Self {
            private, output, ..
        } = self;
        let request = ours("request");
        let asked = self.asked(layer, args);
        let guard = match &args.guard {
            Some(guard) => quote!(#guard),
            None => quote!(_),
        };
        let routine = quote!(move |#guard| async move { #inner });
        if args.on_locked.is_some() || args.on_error.is_some() {
            return self.handled(args, &asked, &routine);
        }
        quote! {
            let #request = #asked;
            #private::run(#request, #routine, #private::carry::<#output>).await
        }
    }

    // Output:
    //     let __klg_request = ..;
    //     let __klg_error = match ::klg_lock::private::enter(__klg_request).await {
    //         Ok(__klg_held) => match __klg_held.run(ROUTINE).await {
    //             Ok(__klg_output) => return __klg_output,
    //             Err(__klg_error) => __klg_error,
    //         },
    //         Err(__klg_error) if ::klg_lock::private::is_locked(&__klg_error) => {
    //             return ::klg_lock::private::instead::<R>(ON_LOCKED);
    //         }
    //         Err(__klg_error) => __klg_error,
    //     };
    //     ::klg_lock::private::handle(__klg_error, ON_ERROR)
    //
    // The routine takes the arguments with it only once there is a lock, so that `on_locked` still
    // has them.
    fn handled(&self, args: &LockArgs, asked: &TokenStream, routine: &TokenStream) -> TokenStream {
        let Self {
            private, output, ..
        } = self;
        let [request, held, result, error] = ["request", "held", "output", "error"].map(ours);
        let ok = quote!(::core::result::Result::Ok);
        let err = quote!(::core::result::Result::Err);
        let on_locked = args.on_locked.as_ref().map(|value| {
            let owned = arguments::owned(self.function, &mention::in_expr(value));
            quote! {
                #err(#error) if #private::is_locked(&#error) => {
                    #owned
                    return #private::instead::<#output>(#value);
                }
            }
        });
        let on_error = match &args.on_error {
            Some(handler) => quote!(#private::handle::<#output>(#error, #handler)),
            None => quote!(#private::carry::<#output>(#error)),
        };
        quote! {
            let #request = #asked;
            let #error = match #private::enter(#request).await {
                #ok(#held) => match #held.run(#routine).await {
                    #ok(#result) => return #result,
                    #err(#error) => #error,
                },
                #on_locked
                #err(#error) => #error,
            };
            #on_error
        }
    }

    /// The request, made before anything moves into the routine, with nothing borrowed left over.
    fn asked(&self, layer: &Layer, args: &LockArgs) -> TokenStream {
        let views = arguments::views(self.function, &self.plan.mentioned);
        let request = request::tokens(layer, args, &self.private);
        quote!({ #views #request })
    }
}
