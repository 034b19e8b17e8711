//! The item under the attribute: an async function, or the boxed future that `async_trait` makes
//! of one.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, TokenStreamExt, quote};
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprCall, ExprPath, GenericArgument, Path, PathArguments,
    ReturnType, Signature, Stmt, Token, Type, TypeParamBound, Visibility, token,
};

use crate::attribute::{Family, Kind, Written, take_siblings};
use crate::errors::Errors;
use crate::param::Param;

pub(crate) struct Function {
    /// The attributes that are not ours.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    /// As written, without our helper attributes.
    pub(crate) sig: Signature,
    pub(crate) params: Vec<Param>,
    pub(crate) brace: token::Brace,
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) body: Body,
    /// Our other attributes on this function, the upper one first.
    pub(crate) siblings: Vec<Written>,
    /// What those are called here.
    pub(crate) sibling_paths: Vec<Path>,
    /// What was wrong with the helper attributes.
    pub(crate) errors: Errors,
}

pub(crate) enum Body {
    /// The statements of an `async fn`, which nobody needs to understand here: half-typed ones
    /// reach the compiler, and the IDE, as they are.
    Async(TokenStream),
    Boxed(Box<BoxedBody>),
    /// Neither; an error, but the item is kept.
    Sync(TokenStream),
}

/// `..; Box::pin(async move { .. })`
pub(crate) struct BoxedBody {
    pub(crate) before: Vec<Stmt>,
    /// The call, with an empty future.
    pub(crate) call: ExprCall,
    pub(crate) future: ExprAsync,
}

impl Function {
    pub(crate) fn parse(kind: Kind, item: TokenStream) -> syn::Result<Self> {
        (|input: ParseStream<'_>| Self::parse_item(kind, input)).parse2(item)
    }

    fn parse_item(kind: Kind, input: ParseStream<'_>) -> syn::Result<Self> {
        let name = kind.name();
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = if input.peek(Token![default]) {
            Some(input.parse()?)
        } else {
            None
        };
        if !starts_function(input) {
            return Err(misplaced(name, input));
        }
        let mut sig: Signature = input.parse()?;
        if let Some(semi) = input.parse::<Option<Token![;]>>()? {
            return Err(syn::Error::new_spanned(
                semi,
                format!(
                    "`#[{name}]` wraps a body, and `{}` has none here; write it above the method \
                     in the `impl`, or give the method a default body",
                    sig.ident
                ),
            ));
        }
        let content;
        let brace = syn::braced!(content in input);
        let inner_attrs = content.call(Attribute::parse_inner)?;
        let body: TokenStream = content.parse()?;

        let mut errors = Errors::default();
        let (sibling_paths, siblings): (_, Vec<Written>) =
            take_siblings(&mut attrs).into_iter().unzip();
        let kinds = siblings.iter().map(|sibling| sibling.kind);
        let families: Vec<Family> = kinds.chain([kind]).map(Kind::family).collect();
        let params = sig
            .inputs
            .iter_mut()
            .enumerate()
            .map(|(position, arg)| Param::read(position, arg, &families, &mut errors))
            .collect();
        let body = if sig.asyncness.is_some() {
            Body::Async(body)
        } else {
            match BoxedBody::find(body.clone()) {
                Some(boxed) => Body::Boxed(Box::new(boxed)),
                None => Body::Sync(body),
            }
        };
        Ok(Self {
            attrs,
            vis,
            defaultness,
            sig,
            params,
            brace,
            inner_attrs,
            body,
            siblings,
            sibling_paths,
            errors,
        })
    }

    /// The names by which the attributes may refer to the arguments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Ident> {
        self.params
            .iter()
            .flat_map(|param| &param.names)
            // What async_trait calls the parameters it took apart.
            .filter(|name| !name.to_string().starts_with("__arg"))
    }

    /// The type that the body has in the end: what an `async fn` declares, or what the boxed
    /// future yields where that can be seen.
    pub(crate) fn output(&self) -> Output<'_> {
        match (&self.body, &self.sig.output) {
            (Body::Boxed(_), ReturnType::Type(_, ty)) => match future_output(ty) {
                Some(output) => Output::Type(output),
                None => Output::Unknown,
            },
            (_, ReturnType::Type(_, ty)) => Output::Type(ty),
            (_, ReturnType::Default) => Output::Unit,
        }
    }

    /// Everything in front of the body.
    pub(crate) fn head(&self, sig: &Signature) -> TokenStream {
        let mut head = TokenStream::new();
        head.append_all(&self.attrs);
        self.vis.to_tokens(&mut head);
        self.defaultness.to_tokens(&mut head);
        sig.to_tokens(&mut head);
        head
    }
}

pub(crate) enum Output<'a> {
    Type(&'a Type),
    Unit,
    Unknown,
}

fn misplaced(name: &str, input: ParseStream<'_>) -> syn::Error {
    let contains_functions =
        input.peek(Token![impl]) || input.peek(Token![trait]) || input.peek(Token![mod]);
    let place = if contains_functions {
        "above each async method it is meant for"
    } else {
        "above an `async fn`"
    };
    input.error(format!("`#[{name}]` stands {place}, not here"))
}

fn starts_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    // `const` and `unsafe` and `extern` start other items as well.
    let _: Option<Option<Token![const]>> = ahead.parse().ok();
    let _: Option<Option<Token![async]>> = ahead.parse().ok();
    let _: Option<Option<Token![unsafe]>> = ahead.parse().ok();
    let _: Option<Option<syn::Abi>> = ahead.parse().ok();
    ahead.peek(Token![fn])
}

impl BoxedBody {
    fn find(body: TokenStream) -> Option<Self> {
        let mut before = Block::parse_within.parse2(body).ok()?;
        let Some(Stmt::Expr(Expr::Call(mut call), None)) = before.pop() else {
            return None;
        };
        let Expr::Path(ExprPath { path, .. }) = &*call.func else {
            return None;
        };
        let mut names = path.segments.iter().rev();
        let boxes = names.next()?.ident == "pin" && names.next()?.ident == "Box";
        if !boxes || call.args.len() != 1 {
            return None;
        }
        let Some(Expr::Async(future)) = call.args.pop() else {
            return None;
        };
        Some(Self {
            before,
            call,
            future,
        })
    }
}

impl BoxedBody {
    /// The statements with `content` as the future's.
    pub(crate) fn around(&self, content: &TokenStream) -> TokenStream {
        let mut future = self.future.clone();
        future.block.stmts = vec![Stmt::Expr(Expr::Verbatim(content.clone()), None)];
        let mut call = self.call.clone();
        call.args.push(Expr::Async(future));
        let before = &self.before;
        quote!(#(#before)* #call)
    }
}

/// The `R` of `Pin<Box<dyn Future<Output = R> + ..>>`.
fn future_output(ty: &Type) -> Option<&Type> {
    let future = generic_argument(generic_argument(ty)?)?;
    let Type::TraitObject(object) = future else {
        return None;
    };
    object.bounds.iter().find_map(|bound| {
        let TypeParamBound::Trait(bound) = bound else {
            return None;
        };
        let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments
        else {
            return None;
        };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::AssocType(output) if output.ident == "Output" => Some(&output.ty),
            _ => None,
        })
    })
}

/// The last type argument of `Pin<..>`, `Box<..>`.
fn generic_argument(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    arguments
        .args
        .iter()
        .rev()
        .find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}
