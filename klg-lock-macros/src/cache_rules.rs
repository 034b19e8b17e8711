//! The rules that a cache attribute and its function keep together, except those about keys.

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{FnArg, ReturnType, Type, TypeImplTrait, TypeReference};

use crate::args::Args;
use crate::attribute::Kind;
use crate::cache_args::{CacheArgs, Codec, Refresh};
use crate::companion;
use crate::errors::Errors;
use crate::function::{Body, Function, Output};
use crate::key::Template;
use crate::param::Form;
use crate::receiver;

/// Reports every rule that is broken.
pub(crate) fn all(attributes: &[Args], function: &Function, errors: &mut Errors) {
    unlocked(attributes, errors);
    for args in attributes.iter().filter_map(Args::cache) {
        one_key(args, errors);
        output(args, function, errors);
        background(args, function, errors);
        evict(args, errors);
        entry(args, function, errors);
        if args.common.written.kind == Kind::CachedMany {
            ids(args, function, errors);
        }
    }
}

/// A value is cached under one key; several can be evicted.
fn one_key(args: &CacheArgs, errors: &mut Errors) {
    let kind = args.common.written.kind;
    if kind != Kind::CacheEvict
        && let Some([_, second, ..]) = args.common.keys.as_deref()
    {
        let span = match second {
            crate::args::KeyArg::Text(Template { literal, .. }) => literal.span(),
            crate::args::KeyArg::Computed(expr) => expr.span(),
        };
        errors.push(syn::Error::new(
            span,
            format!(
                "`#[{}]` has one key; only `#[cache_evict]` can have several",
                kind.name()
            ),
        ));
    }
}

/// What is cached can be written, and read back by its type.
fn output(args: &CacheArgs, function: &Function, errors: &mut Errors) {
    let kind = args.common.written.kind;
    if kind == Kind::CacheEvict {
        return;
    }
    if let Output::Unit = function.output() {
        errors.at(
            &function.sig.ident,
            format!(
                "`#[{}]` keeps what a function returns, and `{}` returns nothing",
                kind.name(),
                function.sig.ident
            ),
        );
    }
    if let Output::Type(ty) = function.output()
        && let Some(borrow) = borrow(companion::value(ty))
    {
        errors.at(
            borrow,
            "what is cached is read back later, when nothing is there to borrow from; return an owned \
             type (`String` for `&str`, `Vec<T>` for `&[T]`)",
        );
    }
    if let ReturnType::Type(_, ty) = &function.sig.output
        && let Some(opaque) = opaque(ty)
    {
        errors.at(
            opaque,
            "what is cached is read back by its type, and `impl Trait` does not say which that is; \
             write the type",
        );
    }
}

/// The first reference in a type that is cached.
fn borrow(ty: &Type) -> Option<TypeReference> {
    struct First(Option<TypeReference>);
    impl Visit<'_> for First {
        fn visit_type_reference(&mut self, ty: &TypeReference) {
            self.0.get_or_insert_with(|| ty.clone());
        }
    }
    let mut first = First(None);
    first.visit_type(ty);
    first.0
}

/// The first `impl Trait` in a type.
fn opaque(ty: &Type) -> Option<TypeImplTrait> {
    struct First(Option<TypeImplTrait>);
    impl Visit<'_> for First {
        fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
            self.0.get_or_insert_with(|| ty.clone());
        }
    }
    let mut first = First(None);
    first.visit_type(ty);
    first.0
}

/// A body never runs without the lock above it, which ends with the call.
fn unlocked(attributes: &[Args], errors: &mut Errors) {
    let mut lock = None;
    for args in attributes {
        match (args, lock) {
            (Args::Lock(args), _) => lock = Some(args.common.written.kind.name()),
            (Args::Cache(args), Some(lock)) => {
                if let Refresh::Background(word) = &args.refresh {
                    errors.at(
                        word,
                        format!(
                            "a refresh in the background outlives the call, and the lock of \
                             `#[{lock}]` above ends with it; write `#[cached]` above `#[{lock}]`, \
                             where a hit takes no lock either"
                        ),
                    );
                }
            }
            (Args::Cache(_), None) => {}
        }
    }
}

/// A load that outlives the call owns what it uses.
fn background(args: &CacheArgs, function: &Function, errors: &mut Errors) {
    let Refresh::Background(word) = &args.refresh else {
        return;
    };
    if receiver::is_exclusive(function) {
        errors.at(
            word,
            "a refresh in the background outlives the call, and cannot keep `&mut self` meanwhile; \
             take `&self` or `self: Arc<Self>`, or leave `refresh` out",
        );
    }
    for arg in &function.sig.inputs {
        let FnArg::Typed(typed) = arg else { continue };
        let Type::Reference(reference) = &*typed.ty else {
            continue;
        };
        let forever = reference
            .lifetime
            .as_ref()
            .is_some_and(|lifetime| lifetime.ident == "static");
        if !forever {
            errors.at(
                &typed.ty,
                format!(
                    "a refresh in the background outlives the call, and this argument does not: take \
                     an owned value (`String` for `&str`, `Arc<{}>`), or leave `refresh` out, or \
                     write `refresh = ..` with a future that owns what it uses",
                    shown(&reference.elem)
                ),
            );
        }
    }
}

fn shown(ty: &Type) -> String {
    match ty {
        Type::Path(_) => ty.to_token_stream().to_string().replace(' ', ""),
        _ => "T".to_owned(),
    }
}

fn evict(args: &CacheArgs, errors: &mut Errors) {
    if let (Some(before), Some(unless)) = (&args.before, &args.unless) {
        errors.at(
            unless,
            format!(
                "`unless` looks at what the function returns, and `{before}` evicts when that is not \
                 there yet; keep one of them, or write `condition = ..` about the arguments"
            ),
        );
    }
    if args.all
        && let Some(span) = beside_all(args)
    {
        errors.push(syn::Error::new(
            span,
            "`all` evicts everything, this too; keep one of them",
        ));
    }
}

fn beside_all(args: &CacheArgs) -> Option<proc_macro2::Span> {
    use crate::args::KeyArg;
    use crate::cache_args::Tags;
    let of = |key: &KeyArg| match key {
        KeyArg::Text(template) => template.literal.span(),
        KeyArg::Computed(expr) => expr.span(),
    };
    let key = args.common.keys.as_ref().and_then(|keys| keys.first());
    key.map(of).or_else(|| match args.tags.as_ref()? {
        Tags::List(tags) => tags.first().map(of),
        Tags::Computed(expr) => Some(expr.span()),
    })
}

/// The generated function has a name, and a type, of its own.
fn entry(args: &CacheArgs, function: &Function, errors: &mut Errors) {
    let Some(entry) = &args.entry else { return };
    if *entry == function.sig.ident {
        errors.at(
            entry,
            format!("`{entry}` is the function itself; give the generated one another name"),
        );
    }
    if let Body::Boxed(_) = function.body {
        errors.at(
            entry,
            "`entry` generates a function beside an `async fn`; below `#[async_trait]` there is no \
             place for one",
        );
    }
    if let Some(Codec::Own(codec)) = &args.codec {
        errors.at(
            codec,
            "`entry` generates a function whose type names the codec, and knows `msgpack` and `json` \
             alone; leave out one of the two",
        );
    }
}

/// The parameter that has the ids is an owned list.
fn ids(args: &CacheArgs, function: &Function, errors: &mut Errors) {
    let example = "`#[cached_many(\"user:{id}\", keys = ids)]` above \
                   `async fn find(ids: Vec<u64>) -> Result<HashMap<u64, User>, E>`";
    let here = args.common.written.span;
    if args.common.keys.is_none() {
        errors.push(syn::Error::new(
            here,
            format!("nothing says under which key each value is cached: write {example}"),
        ));
    }
    let Some(ids) = &args.ids else {
        errors.push(syn::Error::new(
            here,
            format!("nothing says which parameter has the ids: write {example}"),
        ));
        return;
    };
    let params = function.params.iter().zip(&function.sig.inputs);
    let found = params
        .filter(|(param, _)| matches!(param.form, Form::Name(_)))
        .find(|(param, _)| param.ident == *ids);
    let Some((_, arg)) = found else {
        errors.at(
            ids,
            format!(
                "`{ids}` is no parameter of `{}`; `keys` is the one that has the ids, a `Vec`",
                function.sig.ident
            ),
        );
        return;
    };
    if let FnArg::Typed(typed) = arg
        && let Type::Reference(_) = &*typed.ty
    {
        errors.at(
            &typed.ty,
            "the function is called with the missing ids alone, in a list of their own: take a `Vec`",
        );
    }
    if let Some(crate::args::KeyArg::Computed(expr)) =
        args.common.keys.as_ref().and_then(|keys| keys.first())
    {
        errors.at(
            expr,
            "the key of each value is a text that names the id, as in `\"user:{id}\"`",
        );
    }
}
