//! One cache attribute around a body.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ReturnType;
use syn::spanned::Spanned;

use crate::arguments;
use crate::attribute::Kind;
use crate::cache_args::{CacheArgs, Refresh};
use crate::cache_request::CacheRequest;
use crate::expand::ours;
use crate::function::{Body, Function, Output};
use crate::mention;
use crate::plan::{Layer, Plan};
use crate::receiver;
use crate::rendering::Kept;

pub(crate) struct CacheLayer<'a> {
    function: &'a Function,
    plan: &'a Plan,
    layer: &'a Layer,
    args: &'a CacheArgs,
    private: &'a TokenStream,
    /// The module of the library that cache attributes call.
    attribute: TokenStream,
}

/// The module of the library that cache attributes call.
pub(crate) fn attribute(plan: &Plan) -> TokenStream {
    match &plan.krate {
        Some(path) => quote!(#path::cache::attribute),
        None => quote!(::klg_lock::cache::attribute),
    }
}

impl<'a> CacheLayer<'a> {
    pub(crate) fn new(
        function: &'a Function,
        plan: &'a Plan,
        layer: &'a Layer,
        args: &'a CacheArgs,
        private: &'a TokenStream,
    ) -> Self {
        Self {
            function,
            plan,
            layer,
            args,
            private,
            attribute: attribute(plan),
        }
    }

    pub(crate) fn around(&self, inner: &TokenStream, output: &TokenStream) -> TokenStream {
        match self.args.common.written.kind {
            Kind::CachedMany => self.cached_many(inner),
            Kind::CachePut => self.put(inner, output),
            Kind::CacheEvict if self.args.before.is_some() => self.evict_before(inner, output),
            Kind::CacheEvict => self.evict_after(inner, output),
            _ => match &self.args.refresh {
                Refresh::Foreground => self.cached(inner),
                Refresh::Background(_) => self.background(inner, output),
                Refresh::Own(refresh) => {
                    let mentioned = mention::in_expr(refresh);
                    let views = arguments::owned(self.function, &mentioned);
                    let attribute = &self.attribute;
                    let elected = ours("elected");
                    self.refreshed(&quote! {
                        move |#elected| if #elected {
                            #views
                            #attribute::Loading::Apart(#refresh)
                        } else {
                            #attribute::Loading::Here(async move { #inner })
                        }
                    })
                }
            },
        }
    }

    // Output:
    //     let __klg_request = REQUEST;
    //     KIND.cached(__klg_request, move || async move { BODY }, UNLESS).await
    fn cached(&self, inner: &TokenStream) -> TokenStream {
        let (request, asked) = (ours("request"), self.asking().request());
        let unless = self.asking().unless();
        let call = self.on_kind(&quote!(cached));
        let awaited = awaited(self.function);
        quote! {
            let #request = #asked;
            #call(#request, move || async move { #inner }, #unless)#awaited
        }
    }

    // Output:
    //     move |_| {
    //         let __klg_self = ::klg_lock::cache::attribute::owned(self);
    //         ::klg_lock::cache::attribute::Loading::<::core::future::Ready<R>, _>::Apart(
    //             async move {
    //                 let __klg_self = &__klg_self;
    //                 BODY with `__klg_self` for `self`
    //             }
    //         )
    //     }
    //
    // Only a caller that loads clones.
    fn background(&self, inner: &TokenStream, output: &TokenStream) -> TokenStream {
        let attribute = &self.attribute;
        let (mut clone, mut view) = (TokenStream::new(), TokenStream::new());
        let mut body = inner.clone();
        if receiver::is_borrowed(self.function) {
            let this = ours("self");
            body = receiver::rename(body, &this);
            let receiver = self.function.sig.receiver();
            let span = receiver.map_or_else(Span::call_site, Spanned::span);
            let owned = quote_spanned!(span.resolved_at(Span::mixed_site())=> #attribute::owned);
            let itself = self.function.params.first().map(|param| &param.ident);
            clone = quote!(let #this = #owned(#itself););
            view = quote!(let #this = &#this;);
        }
        self.refreshed(&quote! {
            move |_| {
                #clone
                #attribute::Loading::<::core::future::Ready<#output>, _>::Apart(async move {
                    #view
                    #body
                })
            }
        })
    }

    fn refreshed(&self, load: &TokenStream) -> TokenStream {
        let (request, asked) = (ours("request"), self.asking().request());
        let unless = self.asking().unless();
        let call = self.on_kind(&quote!(refreshed));
        let awaited = awaited(self.function);
        quote! {
            let #request = #asked;
            #call(#request, #load, #unless)#awaited
        }
    }

    // Output:
    //     let __klg_request = REQUEST;
    //     KIND.cached_many(
    //         __klg_request,
    //         ids,
    //         move |__klg_value| KEY,
    //         move |ids| async move { BODY },
    //     )
    //     .await
    fn cached_many(&self, inner: &TokenStream) -> TokenStream {
        let (request, asked) = (ours("request"), self.asking().request());
        let value = ours("value");
        let mut kept = Kept::default();
        let key = self.asking().late_keys(&mut kept);
        let kept = kept.statements;
        let ids = &self.args.ids;
        let call = self.on_kind(&quote!(cached_many));
        let awaited = awaited(self.function);
        quote! {
            let #request = #asked;
            #kept
            #call(
                #request,
                #ids,
                move |#value| #(#key)*,
                move |#ids| async move { #inner },
            )
            #awaited
        }
    }

    // Output:
    //     let __klg_request = REQUEST;
    //     let __klg_result: R = async move { BODY }.await;
    //     let __klg_put = KIND.put(&__klg_result, UNLESS, move |__klg_value| __klg_request);
    //     __klg_put.await;
    //     __klg_result
    fn put(&self, inner: &TokenStream, output: &TokenStream) -> TokenStream {
        let [request, value, result, put] = ["request", "value", "result", "put"].map(ours);
        let asking = self.asking();
        let asked = asking.request();
        let mut kept = Kept::default();
        let keys = asking.late_keys(&mut kept);
        let tags = asking.late_tags(&mut kept);
        let tags = tags.map(|tags| quote!(.tags(|| #tags)));
        let kept = kept.statements;
        let unless = asking.unless();
        let call = self.on_kind_of(&result, &quote!(put));
        let awaited = awaited(self.function);
        let named = if keys.is_empty() && tags.is_none() {
            quote!(_)
        } else {
            value.to_token_stream()
        };
        quote! {
            let #request = #asked;
            #kept
            let #result: #output = async move { #inner }.await;
            let #put = #call(&#result, #unless, move |#named| #request #(.key(|| #keys))* #tags);
            #put #awaited;
            #result
        }
    }

    // Output:
    //     let __klg_eviction = EVICTION;
    //     __klg_eviction.run().await;
    //     BODY
    fn evict_before(&self, inner: &TokenStream, output: &TokenStream) -> TokenStream {
        let eviction = ours("eviction");
        let asked = self.asking().eviction();
        let evict = self.evict(&eviction, output);
        quote! {
            let #eviction = #asked;
            #evict
            #inner
        }
    }

    // Output:
    //     let __klg_eviction = EVICTION;
    //     let __klg_result: R = async move { BODY }.await;
    //     let __klg_eviction = KIND.evict(&__klg_result, UNLESS, move |__klg_value| __klg_eviction);
    //     __klg_eviction.run().await;
    //     __klg_result
    fn evict_after(&self, inner: &TokenStream, output: &TokenStream) -> TokenStream {
        let [eviction, value, result] = ["eviction", "value", "result"].map(ours);
        let asking = self.asking();
        let asked = asking.eviction();
        let mut kept = Kept::default();
        let keys = asking.late_keys(&mut kept);
        let tags = asking.late_tags(&mut kept);
        let tags = tags.map(|tags| quote!(.tags(#tags)));
        let kept = kept.statements;
        let unless = asking.unless();
        let call = self.on_kind_of(&result, &quote!(evict));
        let named = if keys.is_empty() && tags.is_none() {
            quote!(_)
        } else {
            value.to_token_stream()
        };
        let evict = self.evict(&eviction, output);
        quote! {
            let #eviction = #asked;
            #kept
            let #result: #output = async move { #inner }.await;
            let #eviction = #call(
                &#result,
                #unless,
                move |#named| #eviction #(.key(#keys))* #tags,
            );
            #evict
            #result
        }
    }

    fn evict(&self, eviction: &Ident, output: &TokenStream) -> TokenStream {
        if !self.args.strict {
            return quote!(#eviction.run().await;);
        }
        let attribute = &self.attribute;
        let error = ours("error");
        quote! {
            if let ::core::result::Result::Err(#error) = #eviction.strict().await {
                return #attribute::carry::<#output>(#error);
            }
        }
    }

    fn asking(&self) -> CacheRequest<'_> {
        CacheRequest {
            function: self.function,
            layer: self.layer,
            args: self.args,
            views: arguments::views(self.function, &self.plan.mentioned),
            private: self.private,
            attribute: &self.attribute,
        }
    }

    /// What the function returns, a `Result` or not, and a method of that.
    fn on_kind(&self, method: &TokenStream) -> TokenStream {
        let kind = kind(self.function, &self.attribute);
        let span = declared(self.function);
        let method = respanned(method, span);
        quote_spanned!(span=> #kind.#method)
    }

    /// The same, told by the result itself.
    fn on_kind_of(&self, result: &Ident, method: &TokenStream) -> TokenStream {
        let attribute = &self.attribute;
        let span = declared(self.function);
        let method = respanned(method, span);
        quote_spanned!(span=> {
            #[allow(unused_imports)]
            use #attribute::AnyValue as _;
            #attribute::returned(&#result).kind()
        }.#method)
    }
}

/// `.await`, where what is waited for can be shown to be wrong.
fn awaited(function: &Function) -> TokenStream {
    quote_spanned!(declared(function)=> .await)
}

/// `{ use AnyValue as _; returns::<R>().kind() }`
pub(crate) fn kind(function: &Function, attribute: &TokenStream) -> TokenStream {
    let returned = returned(function);
    quote_spanned!(declared(function)=> {
        #[allow(unused_imports)]
        use #attribute::AnyValue as _;
        #attribute::returns::<#returned>().kind()
    })
}

/// What the function returns in the end, also where an alias hides that.
fn returned(function: &Function) -> TokenStream {
    match (function.output(), &function.body, &function.sig.output) {
        (Output::Type(ty), ..) => quote!(#ty),
        (Output::Unknown, Body::Boxed(_), ReturnType::Type(_, ty)) => {
            quote!(<#ty as ::core::future::Future>::Output)
        }
        (Output::Unit | Output::Unknown, ..) => quote!(()),
    }
}

/// Where the function says what it returns: errors about that type are shown there.
fn declared(function: &Function) -> Span {
    let span = match function.output() {
        Output::Type(ty) => ty.span(),
        Output::Unit | Output::Unknown => function.sig.ident.span(),
    };
    span.resolved_at(Span::mixed_site())
}

fn respanned(tokens: &TokenStream, span: Span) -> TokenStream {
    tokens
        .clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
