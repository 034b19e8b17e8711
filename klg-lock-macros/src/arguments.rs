//! The arguments on their way into the body, and what the attributes see of them before.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{TokenStreamExt, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{FnArg, Pat, PatIdent, ReceiverKind, Token, Type, TypeInfer};

use crate::function::{Body, Function};
use crate::param::{Form, Param};

/// Moves every argument, whole, into the future that contains these statements, and takes it apart
/// there, in the order in which the compiler does: they are dropped as the user is used to.
pub(crate) fn own(function: &Function, mentioned: &BTreeSet<String>) -> TokenStream {
    let mut tokens = TokenStream::new();
    for (param, arg) in function.params.iter().zip(&function.sig.inputs) {
        let Param { ident, cfg, .. } = param;
        match &param.form {
            Form::Receiver => {
                // `self` cannot be bound again; to be mentioned is enough for it to be captured.
                if owns(arg) {
                    tokens.append_all(quote!(#(#cfg)* let _ = &#ident;));
                }
            }
            Form::Name(mutability) => {
                let quiet = quiet(ident);
                tokens.append_all(quote!(#(#cfg)* #quiet let #mutability #ident = #ident;));
                tokens.append_all(used(param, |name| mentioned.contains(name)));
            }
            Form::Pattern(pattern) => {
                tokens.append_all(quote!(#(#cfg)* let #ident = #ident;));
                if !matches!(**pattern, Pat::Wild(_)) {
                    tokens.append_all(quote!(#(#cfg)* let #pattern = #ident;));
                    tokens.append_all(used(param, |name| mentioned.contains(name)));
                }
            }
        }
    }
    tokens
}

/// Mentions the arguments that the attributes mention: the future that contains these statements
/// captures them whole, not only the fields it uses.
pub(crate) fn mention(function: &Function, mentioned: &BTreeSet<String>) -> TokenStream {
    let params = function.params.iter();
    params
        .map(|param| used(param, |name| mentioned.contains(name)))
        .collect()
}

/// Mentions every argument by every name it has: what the attributes would have used is not unused.
pub(crate) fn uses(function: &Function) -> TokenStream {
    let params = function.params.iter();
    params.map(|param| used(param, |_| true)).collect()
}

/// What the attributes mention of the arguments that the body takes apart, by reference.
pub(crate) fn views(function: &Function, mentioned: &BTreeSet<String>) -> TokenStream {
    apart(function, mentioned, |Param { ident, cfg, .. }, pattern| {
        let mut pattern = pattern.clone();
        View.visit_pat_mut(&mut pattern);
        quote!(#(#cfg)* let #pattern = &#ident;)
    })
}

/// The same, by value, where the body will never run.
pub(crate) fn owned(function: &Function, mentioned: &BTreeSet<String>) -> TokenStream {
    apart(function, mentioned, |Param { ident, cfg, .. }, pattern| {
        let mut pattern = pattern.clone();
        Fixed.visit_pat_mut(&mut pattern);
        quote!(#(#cfg)* let #pattern = #ident;)
    })
}

fn apart(
    function: &Function,
    mentioned: &BTreeSet<String>,
    bind: impl Fn(&Param, &Pat) -> TokenStream,
) -> TokenStream {
    let mut tokens = TokenStream::new();
    // A hand-written or async_trait function has taken its arguments apart when the future starts.
    if let Body::Boxed(_) = function.body {
        return tokens;
    }
    for param in &function.params {
        let Form::Pattern(pattern) = &param.form else {
            continue;
        };
        if param
            .names
            .iter()
            .any(|name| mentioned.contains(&name.to_string()))
        {
            tokens.append_all(bind(param, pattern));
            tokens.append_all(used(param, |_| true));
        }
    }
    tokens
}

/// Uses of those names of a parameter that `which` chooses: nobody is to be told that they are
/// unused.
fn used(param: &Param, which: impl Fn(&str) -> bool) -> TokenStream {
    let cfg = &param.cfg;
    let names = param.names.iter().filter(|name| which(&name.to_string()));
    let uses = names.map(|name: &Ident| quote!(#(#cfg)* let _ = &#name;));
    uses.collect()
}

/// An argument whose name says that it is not used is used here.
fn quiet(name: &Ident) -> Option<TokenStream> {
    name.to_string().starts_with('_').then(
        || quote!(#[allow(clippy::no_effect_underscore_binding, clippy::used_underscore_binding)]),
    )
}

/// Whether dropping the argument means anything.
fn owns(arg: &FnArg) -> bool {
    match arg {
        FnArg::Receiver(receiver) => !matches!(receiver.kind, ReceiverKind::Reference(..)),
        FnArg::Typed(_) => true,
    }
}

/// A pattern for a value made into one for a reference to it: what it binds, it borrows.
struct View;

impl VisitMut for View {
    fn visit_pat_mut(&mut self, pattern: &mut Pat) {
        while let Pat::Reference(reference) = pattern {
            *pattern = (*reference.pat).clone();
        }
        visit_mut::visit_pat_mut(self, pattern);
    }

    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        pattern.by_ref = None;
        pattern.mutability = None;
        visit_mut::visit_pat_ident_mut(self, pattern);
    }
}

/// A pattern that binds nothing as `mut`: nobody changes it where the body does not run.
struct Fixed;

impl VisitMut for Fixed {
    fn visit_pat_ident_mut(&mut self, pattern: &mut PatIdent) {
        if pattern.by_ref.is_none() {
            pattern.mutability = None;
        }
        visit_mut::visit_pat_ident_mut(self, pattern);
    }
}

/// `impl Trait` cannot be written inside of a body; what it stands for is inferred.
pub(crate) fn erase_impl_trait(ty: &mut Type) {
    struct Eraser;
    impl VisitMut for Eraser {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(opaque) = ty {
                *ty = Type::Infer(TypeInfer {
                    attrs: Vec::new(),
                    underscore_token: Token![_](opaque.impl_token.span),
                });
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    Eraser.visit_type_mut(ty);
}
