//! A length of time in an attribute: `"10s"`, milliseconds, or an expression.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, ExprLit, ExprUnary, Lit, LitInt, UnOp};

use crate::errors::Errors;
use crate::value::ungrouped;

pub(crate) enum Length {
    /// Known, and checked, now.
    Fixed(Duration),
    /// An expression of type `Duration`, which the engine checks when it runs.
    Computed(Expr),
}

const OUT_OF_RANGE: &str = "is out of range";

/// Reads the value of the option `name`; what is wrong with it is reported.
pub(crate) fn parse(name: &str, value: &Expr, errors: &mut Errors) -> Option<Length> {
    let fixed = match ungrouped(value) {
        Expr::Lit(ExprLit { lit, .. }) => literal(lit),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) if matches!(ungrouped(expr), Expr::Lit(_)) => Err("is negative".to_owned()),
        other => return Some(Length::Computed(other.clone())),
    };
    let complaint = match fixed {
        Ok(Duration::ZERO) => "is zero".to_owned(),
        Ok(duration) => return Some(Length::Fixed(duration)),
        Err(complaint) => complaint,
    };
    let forms = forms(name, &complaint);
    errors.at(value, format!("this `{name}` {complaint}; {forms}"));
    None
}

fn literal(lit: &Lit) -> Result<Duration, String> {
    match lit {
        Lit::Str(text) => humantime::parse_duration(&text.value()).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => OUT_OF_RANGE.to_owned(),
            error => format!("cannot be read as a duration: {error}"),
        }),
        Lit::Int(int) => milliseconds(int),
        _ => Err("cannot be read as a duration".to_owned()),
    }
}

fn milliseconds(int: &LitInt) -> Result<Duration, String> {
    let (digits, suffix) = (int.base10_digits(), int.suffix());
    let integer = suffix
        .strip_prefix(['u', 'i'])
        .is_some_and(|width| !width.is_empty());
    if !suffix.is_empty() && !integer {
        return Err(format!("needs quotes, `\"{digits}{suffix}\"`"));
    }
    let millis = digits.parse().map_err(|_| OUT_OF_RANGE.to_owned())?;
    Ok(Duration::from_millis(millis))
}

fn forms(name: &str, complaint: &str) -> String {
    if name == "wait" && complaint == "is zero" {
        return "not to wait at all is what `#[mutex_lock]` without `wait` does".to_owned();
    }
    format!(
        "write a text with units (`{name} = \"10s\"`, `\"1m 30s\"`, `\"500ms\"`), an integer in \
         milliseconds (`{name} = 10000`), or an expression of type `Duration`"
    )
}

impl ToTokens for Length {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Fixed(duration) => {
                let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
                tokens.extend(quote!(::core::time::Duration::new(#secs, #nanos)));
            }
            Self::Computed(expr) => expr.to_tokens(tokens),
        }
    }
}
