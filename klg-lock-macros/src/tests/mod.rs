//! The expansion as people would write it, compared with what is expected.

mod boxed;
mod cached;
mod companion;
mod lock;
mod refresh;
mod refusals;
mod writes;

use expect_test::Expect;
use proc_macro2::TokenStream;

use crate::attribute::Kind;

/// Compares the expansion of `#[mutex_lock(args)] item`.
fn check(args: TokenStream, item: TokenStream, expected: &Expect) {
    check_kind(Kind::MutexLock, args, item, expected);
}

fn check_kind(kind: Kind, args: TokenStream, item: TokenStream, expected: &Expect) {
    let tokens = crate::expand(kind, args, item);
    let file: syn::File = syn::parse2(tokens.clone())
        .unwrap_or_else(|error| panic!("the expansion is no Rust: {error}\n{tokens}"));
    expected.assert_eq(&prettyplease::unparse(&file));
}

/// The messages of all errors in the expansion, one a line.
fn errors(args: TokenStream, item: TokenStream, expected: &Expect) {
    let tokens = crate::expand(Kind::MutexLock, args, item);
    let file: syn::File = syn::parse2(tokens).expect("the expansion is Rust");
    let messages: Vec<String> = file
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Macro(item) if item.mac.path.segments.last()?.ident == "compile_error" => {
                Some(item.mac.parse_body::<syn::LitStr>().ok()?.value())
            }
            _ => None,
        })
        .collect();
    expected.assert_eq(&(messages.join("\n") + "\n"));
}
