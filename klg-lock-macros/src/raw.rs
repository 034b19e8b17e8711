//! An attribute's brackets before any name in them has a meaning: what every attribute shares.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Token};

use crate::errors::Errors;

#[derive(Default)]
pub(crate) struct Raw {
    pub(crate) positional: Vec<Expr>,
    pub(crate) named: Vec<(Ident, Expr)>,
}

impl Raw {
    /// Reads argument by argument, and goes on behind one that cannot be read.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut raw = Self::default();
        let arguments = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let ahead = input.fork();
                match ahead.parse() {
                    Ok(argument) => {
                        input.advance_to(&ahead);
                        raw.push(argument);
                        if !input.is_empty() && !input.peek(Token![,]) {
                            errors.push(input.error("expected `,`"));
                        }
                    }
                    Err(error) => errors.push(error),
                }
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(())
        };
        let end = arguments.parse2(tokens);
        errors.keep(end);
        raw
    }

    fn push(&mut self, argument: Argument) {
        match argument {
            Argument::Positional(value) => self.positional.push(value),
            Argument::Named(name, value) => self.named.push((name, value)),
        }
    }
}

enum Argument {
    Positional(Expr),
    Named(Ident, Expr),
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // `crate` is a keyword, and an option all the same.
        let named = input.peek(Ident::peek_any)
            && input.peek2(Token![=])
            && !input.peek2(Token![==])
            && !input.peek2(Token![=>]);
        if !named {
            return input.parse().map(Self::Positional);
        }
        let name = input.call(Ident::parse_any)?;
        let equals: Token![=] = input.parse()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new_spanned(
                equals,
                format!("a value is missing after `{name} =`"),
            ));
        }
        Ok(Self::Named(name, input.parse()?))
    }
}
