//! What is refused, in which words, and what is kept.

use expect_test::expect;
use quote::quote;

use super::{check, errors};
use crate::attribute::Kind;

#[test]
fn the_item_is_kept_without_what_only_we_understand() {
    check(
        quote!(tll = "1s", guard = lock),
        quote! {
            #[inline]
            #[buffer_lock("inner")]
            async fn f(#[lock_key] id: u64, #[allow(x)] other: u8) -> Result<(), AppError> { lock.extend(id) }
        },
        &expect![[r#"
            ::core::compile_error! {
                "`#[mutex_lock]` has no option `tll`; did you mean `ttl`? The options are `key`, `scope`, `ttl`, `wait`, `max_hold`, `fair`, `auto_extend`, `on_lost`, `guard`, `client`, `redlock`, `on_locked`, `on_error` and `crate`"
            }
            #[inline]
            async fn f(id: u64, #[allow(x)] other: u8) -> Result<(), AppError> {
                #[buffer_lock(__klg_taken)]
                const _: () = ();
                let ::core::option::Option::Some(lock) = ::core::option::Option::None::<
                    ::klg_lock::private::LockHandle,
                > else { loop {} };
                let _ = &lock;
                let _ = &id;
                let _ = &other;
                lock.extend(id)
            }
        "#]],
    );
    check(
        quote!("k"),
        quote! { struct S { a: u8 } },
        &expect![[r#"
            ::core::compile_error! {
                "`#[mutex_lock]` stands above an `async fn`, not here"
            }
            struct S {
                a: u8,
            }
        "#]],
    );
}

#[test]
fn a_method_without_a_body() {
    let item =
        quote! { #[buffer_lock] #[inline] async fn f(&self, #[lock_key] #[allow(x)] id: u64); };
    let tokens = crate::expand(Kind::MutexLock, quote!("k"), item);
    let (error, kept) = tokens
        .to_string()
        .split_once('}')
        .map_or_else(Default::default, |(a, b)| (a.to_owned(), b.to_owned()));
    expect![[r#"
        :: core :: compile_error ! { "`#[mutex_lock]` wraps a body, and `f` has none here; write it above the method in the `impl`, or give the method a default body" }
         # [inline] async fn f (& self , # [allow (x)] id : u64) ;"#]].assert_eq(&format!("{error}}}\n{kept}"));
}

#[test]
fn a_boxed_future_has_no_whole_pattern() {
    errors(
        quote!(),
        quote! { fn f(#[lock_key("0")] (a, b): &(u8, u8)) -> BoxFuture<'_, Result<(), AppError>> { Box::pin(async move { Ok(()) }) } },
        &expect![[r#"
            give this parameter a name, and take it apart in the body: there is no whole value here to take a key from
        "#]],
    );
    errors(
        quote!("{a}"),
        quote! { fn f(__arg0: (u8, u8)) -> BoxFuture<'_, Result<(), AppError>> { Box::pin(async move { Ok(()) }) } },
        &expect![[r#"
            `{a}` is no parameter of `f` (`f` has none); a parameter that is a pattern is marked instead, `#[lock_key("a")]`
        "#]],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    errors(
        quote!(
            "a:{}:{0}:{id:?}:{idd}:{self.x}",
            "b",
            ttl = 0,
            wait = "0s",
            wait = "1s",
            max_hold = 10s,
            on_lost = ignore,
            auto_extend = "no",
            client = "a",
            redlock = b,
            guard = id,
            scope = x,
            foo = 1,
            crate = klg_lock,
            guard,
            format!("x")
        ),
        quote! { fn f(#[lock_key = "x"] id: u64, #[lock_key] #[lock_key] b: u8) -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            write `#[lock_key]` to lock by the argument itself, or `#[lock_key("x")]` to lock by a field of it (names and tuple positions, with dots between them)
            `#[lock_key]` is here twice; remove one
            `{}` names nothing; write the parameter's name into it, as in `{id}`
            `{0}` counts arguments, and a key has none to count; write the parameter's name, as in `{id}`
            a key takes no format spec; write `{id}` without `:?`, or `key = format!("{id:?}")`
            there is a key already; to lock both, write `key = ["a:{}:{0}:{id:?}:{idd}:{self.x}", "b"]`
            `guard` needs a value, as in `guard = lock`
            expected the key as a string literal, or an option `name = value`; a key that is an expression is written `key = ..`
            this `ttl` is zero; write a text with units (`ttl = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`ttl = 10000`), or an expression of type `Duration`
            this `wait` is zero; not to wait at all is what `#[mutex_lock]` without `wait` does
            `wait` is given twice; keep one of them
            this `max_hold` needs quotes, `"10s"`; write a text with units (`max_hold = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`max_hold = 10000`), or an expression of type `Duration`
            `on_lost` is `cancel` (stop the body when the lock is lost) or `signal` (let it run; `lock.lost()` of `guard = lock` resolves)
            `auto_extend` is `true` or `false`, as in `auto_extend = false`
            `client` and `redlock` both choose the engine; keep one of them
            `scope` is a string literal, as in `scope = "account"`; it goes before the key with a colon between them
            `#[mutex_lock]` has no option `foo`; the options are `key`, `scope`, `ttl`, `wait`, `max_hold`, `fair`, `auto_extend`, `on_lost`, `guard`, `client`, `redlock`, `on_locked`, `on_error` and `crate`
            `crate` is the absolute path of this library, as in `crate = ::klg_lock` or `crate = crate::klg_lock`
            `#[mutex_lock]` has to wait for the lock, which only an `async fn` can: write `async` before `fn` (of functions that are not `async`, it knows those that end in `Box::pin(async move { .. })`)
            `id` is a parameter already; give the lock's handle another name
            the key is given twice, by `#[mutex_lock(..)]` and here; keep one: `"a:{}:{0}:{id:?}:{idd}:{self.x}:{id}"` as the key, or `scope = "a:{}:{0}:{id:?}:{idd}:{self.x}"` beside `#[lock_key]`
            the key is given twice, by `#[mutex_lock(..)]` and here; keep one: `"a:{}:{0}:{id:?}:{idd}:{self.x}:{b}"` as the key, or `scope = "a:{}:{0}:{id:?}:{idd}:{self.x}"` beside `#[lock_key]`
            the key is given twice, by `#[mutex_lock(..)]` and here; keep one: `"a:{}:{0}:{id:?}:{idd}:{self.x}:{b}"` as the key, or `scope = "a:{}:{0}:{id:?}:{idd}:{self.x}"` beside `#[lock_key]`
            `{idd}` is no parameter of `f` (they are `id` and `b`); did you mean `{id}`?
            `{self}` is no parameter of `f` (they are `id` and `b`); this function has no `self`
        "#]],
    );
}

#[test]
fn every_argument_is_read_even_behind_one_that_cannot_be() {
    errors(
        quote!("k", ttl = , wait = "x", "a" "b", max_hold = 1.5,),
        quote! { async fn f() -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            a value is missing after `ttl =`
            expected `,`
            there is a key already; to lock both, write `key = ["k", "a"]`
            this `wait` cannot be read as a duration: expected number at 0; write a text with units (`wait = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`wait = 10000`), or an expression of type `Duration`
            this `max_hold` cannot be read as a duration; write a text with units (`max_hold = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`max_hold = 10000`), or an expression of type `Duration`
        "#]],
    );
}

#[test]
fn no_key() {
    errors(
        quote!(),
        quote! { async fn f(&self, name: String) -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            nothing says what to lock: write `#[mutex_lock("name")]` or `#[mutex_lock("name:{name}")]`, or put `#[lock_key]` before a parameter
        "#]],
    );
}

#[test]
fn two_keys() {
    errors(
        quote!("users"),
        quote! { async fn f(&self, #[lock_key("id.0")] user: User) -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            the key is given twice, by `#[mutex_lock(..)]` and here; keep one: `"users:{user.id.0}"` as the key, or `scope = "users"` beside `#[lock_key]`
        "#]],
    );
}

#[test]
fn nothing_to_return() {
    errors(
        quote!("k", on_locked = ()),
        quote! { async fn f() { body() } },
        &expect![[r#"
            `#[mutex_lock]` may fail, and `f` returns nothing to say so: let it return `Result<(), E>` with `E: From<klg_lock::LockError>`, or say what to do instead, with both `on_locked = ()` and `on_error = |error| ..`
        "#]],
    );
}

#[test]
fn braces() {
    errors(
        quote!("a}b{c"),
        quote! { async fn f() -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            this `}` closes nothing; a brace that belongs to the key is written `}}`
            this `{` is never closed; a brace that belongs to the key is written `{{`
        "#]],
    );
}

#[test]
fn durations() {
    errors(
        quote!("k", ttl = "10", wait = -5, max_hold = 99999999999999999999),
        quote! { async fn f() -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            this `ttl` cannot be read as a duration: time unit needed, for example 10sec or 10ms; write a text with units (`ttl = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`ttl = 10000`), or an expression of type `Duration`
            this `wait` is negative; write a text with units (`wait = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`wait = 10000`), or an expression of type `Duration`
            this `max_hold` is out of range; write a text with units (`max_hold = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`max_hold = 10000`), or an expression of type `Duration`
        "#]],
    );
    errors(
        quote!("k", ttl = "99999999999999999999y", wait = true),
        quote! { async fn f() -> Result<(), AppError> { Ok(()) } },
        &expect![[r#"
            this `ttl` is out of range; write a text with units (`ttl = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`ttl = 10000`), or an expression of type `Duration`
            this `wait` cannot be read as a duration; write a text with units (`wait = "10s"`, `"1m 30s"`, `"500ms"`), an integer in milliseconds (`wait = 10000`), or an expression of type `Duration`
        "#]],
    );
}
