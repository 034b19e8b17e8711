//! What the expansion asks of the cache: whose, under which key, with which options.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{TokenStreamExt, quote, quote_spanned};
use syn::Expr;
use syn::ext::IdentExt;

use crate::args::{Engine, KeyArg};
use crate::attribute::Family;
use crate::cache_args::{CacheArgs, Codec, Tags};
use crate::function::Function;
use crate::key::Template;
use crate::plan::{Key, Layer};
use crate::rendering::{self, Kept};

/// One cache attribute, on its way into an expansion.
pub(crate) struct CacheRequest<'a> {
    pub(crate) function: &'a Function,
    pub(crate) layer: &'a Layer,
    pub(crate) args: &'a CacheArgs,
    /// The arguments that the body takes apart, in view.
    pub(crate) views: TokenStream,
    pub(crate) private: &'a TokenStream,
    pub(crate) attribute: &'a TokenStream,
}

impl CacheRequest<'_> {
    // Output:
    //     {
    //         if CONDITION {
    //             ::klg_lock::cache::attribute::Request::new(
    //                 ::klg_lock::cache::attribute::current("find_user"),
    //                 || ::klg_lock::private::key(&[], &[&"user:", &id]),
    //             )
    //             .ttl(..)
    //         } else {
    //             ::klg_lock::cache::attribute::Request::past()
    //         }
    //     }
    pub(crate) fn request(&self) -> TokenStream {
        let attribute = self.attribute;
        let past = quote!(#attribute::Request::past());
        self.conditional(&self.entry(), &past)
    }

    /// The request whatever the condition.
    pub(crate) fn entry(&self) -> TokenStream {
        let attribute = self.attribute;
        let cache = self.cache();
        let key = match self.layer.keys.as_slice() {
            [key] if is_early(key) => {
                let key = rendering::owned(self.layer.scope.as_ref(), key, self.private);
                quote!(|| #key)
            }
            _ => quote!(::std::string::String::new),
        };
        let options = self.options();
        let tags = self.early_tags().map(|tags| quote!(.tags(|| #tags)));
        quote!(#attribute::Request::new(#cache, #key) #options #tags)
    }

    // Output:
    //     {
    //         ::klg_lock::cache::attribute::Eviction::new(CACHE).key(KEY).tags([TAG])
    //     }
    pub(crate) fn eviction(&self) -> TokenStream {
        let attribute = self.attribute;
        let cache = self.cache();
        let scope = self.layer.scope.as_ref();
        let keys = self.layer.keys.iter().filter(|key| is_early(key));
        let keys = keys.map(|key| rendering::owned(scope, key, self.private));
        let tags = self.early_tags().map(|tags| quote!(.tags(#tags)));
        let all = self.args.all.then(|| quote!(.all()));
        let eviction = quote!(#attribute::Eviction::new(#cache) #(.key(#keys))* #tags #all);
        self.conditional(&eviction, &quote!(#attribute::Eviction::none()))
    }

    fn conditional(&self, yes: &TokenStream, no: &TokenStream) -> TokenStream {
        let views = &self.views;
        let absent = rendering::absent(&self.layer.keys, Family::Cache);
        match &self.args.condition {
            Some(condition) => {
                quote!({ #views #absent if #condition { #yes } else { #no } })
            }
            None => quote!({ #views #absent #yes }),
        }
    }

    /// The keys that name the result.
    pub(crate) fn late_keys(&self, kept: &mut Kept) -> Vec<TokenStream> {
        let mut late = Vec::new();
        for key in &self.layer.keys {
            let Key::Text(template) = key else { continue };
            if template.is_early() {
                continue;
            }
            let scope = self.layer.scope.as_ref();
            let scope = scope.map(|scope| kept.template(scope, &self.views, self.private));
            let own = kept.template(template, &self.views, self.private);
            late.push(rendering::owned(
                scope.as_ref(),
                &Key::Text(own),
                self.private,
            ));
        }
        late
    }

    /// All tags, if one of them names the result.
    pub(crate) fn late_tags(&self, kept: &mut Kept) -> Option<TokenStream> {
        let Some(Tags::List(tags)) = &self.args.tags else {
            return None;
        };
        if tags.iter().all(is_early_tag) {
            return None;
        }
        let tags = tags.iter().map(|tag| match tag {
            KeyArg::Text(template) => {
                let own = kept.template(template, &self.views, self.private);
                rendering::owned(None, &Key::Text(own), self.private)
            }
            KeyArg::Computed(expr) => kept.expr(expr, &self.views, self.private),
        });
        let tags: Vec<TokenStream> = tags.collect();
        Some(quote!([#(#tags),*]))
    }

    fn early_tags(&self) -> Option<TokenStream> {
        match self.args.tags.as_ref()? {
            Tags::Computed(expr) => Some(quote!(#expr)),
            Tags::List(tags) if tags.iter().all(is_early_tag) => {
                let tags = tags.iter().map(|tag| match tag {
                    KeyArg::Text(template) => {
                        rendering::owned(None, &Key::Text(template.clone()), self.private)
                    }
                    KeyArg::Computed(expr) => tag_of(expr, self.private),
                });
                Some(quote!([#(#tags),*]))
            }
            Tags::List(_) => None,
        }
    }

    fn cache(&self) -> TokenStream {
        let attribute = self.attribute;
        let name = match &self.args.name {
            Some(name) => rendering::borrowed(name),
            None => {
                let name = self.function.sig.ident.unraw().to_string();
                quote!(#name)
            }
        };
        match &self.args.common.engine {
            Engine::Current => quote!(#attribute::current(#name)),
            Engine::Client(client) => {
                let client = rendering::borrowed(client);
                quote!(#attribute::current_on(#client, #name))
            }
            Engine::Own(cache) => {
                let cache = rendering::borrowed(cache);
                quote!(#attribute::of(#cache, #name))
            }
        }
    }

    fn options(&self) -> TokenStream {
        let args = self.args;
        let attribute = self.attribute;
        let mut options = TokenStream::new();
        let lengths = [
            ("ttl", &args.ttl),
            ("stale", &args.stale),
            ("none_ttl", &args.none_ttl),
            ("l1_ttl", &args.l1_ttl),
            ("load_timeout", &args.load_timeout),
        ];
        for (name, length) in lengths {
            if let Some(length) = length {
                let name = Ident::new(name, Span::call_site());
                options.append_all(quote!(.#name(#length)));
            }
        }
        if let Some(beta) = &args.beta {
            options.append_all(quote!(.beta(#beta)));
        }
        if let Some(l1) = &args.l1 {
            options.append_all(quote!(.l1(#l1)));
        }
        match &args.codec {
            Some(Codec::MessagePack) => {
                options.append_all(quote!(.codec(#attribute::Codec::MessagePack)));
            }
            Some(Codec::Json) => options.append_all(quote!(.codec(#attribute::Codec::Json))),
            Some(Codec::Own(codec)) => options.append_all(quote!(.codec(#codec))),
            None => {}
        }
        options
    }

    /// What looks at the result and says whether to leave it alone.
    pub(crate) fn unless(&self) -> TokenStream {
        let attribute = self.attribute;
        match &self.args.unless {
            Some(unless) => quote!(#unless),
            None => quote!(#attribute::never),
        }
    }
}

/// Whether a key can be made before the body runs.
fn is_early(key: &Key) -> bool {
    match key {
        Key::Text(template) => template.is_early(),
        _ => true,
    }
}

fn is_early_tag(tag: &KeyArg) -> bool {
    match tag {
        KeyArg::Text(template) => Template::is_early(template),
        KeyArg::Computed(_) => true,
    }
}

fn tag_of(expr: &Expr, private: &TokenStream) -> TokenStream {
    let tag = rendering::borrowed(expr);
    quote_spanned!(Span::mixed_site()=> #private::key(&[], &[#tag]))
}
