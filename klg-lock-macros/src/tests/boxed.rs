//! Functions that return a boxed future: what `async_trait` makes of an `async fn`, and aliases.

use expect_test::expect;
use quote::quote;

use super::{check, check_kind};
use crate::attribute::Kind;

#[test]
fn the_future_is_rewritten_in_place() {
    check(
        quote!("user:{id}:{self.name}"),
        quote! {
            fn f<'life0, 'async_trait>(&'life0 self, id: u64, __arg2: (u8, u8))
                -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<(), AppError>> + ::core::marker::Send + 'async_trait>>
            {
                before();
                Box::pin(async move {
                    let __self = self;
                    let id = id;
                    let (a, b) = { let __arg2 = __arg2; __arg2 };
                    Ok(())
                })
            }
        },
        &expect![[r#"
            fn f<'life0, 'async_trait>(
                &'life0 self,
                id: u64,
                __arg2: (u8, u8),
            ) -> ::core::pin::Pin<
                Box<
                    dyn ::core::future::Future<
                        Output = Result<(), AppError>,
                    > + ::core::marker::Send + 'async_trait,
                >,
            > {
                before();
                Box::pin(async move {
                    let __klg_request = {
                        ::klg_lock::private::Request::new(
                            ::klg_lock::private::mutex(),
                            ::klg_lock::private::key(&[], &[&"user:", &id, &":", &self.name]),
                        )
                    };
                    ::klg_lock::private::run(
                            __klg_request,
                            move |_| async move {
                                if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                    Result<(), AppError>,
                                > {
                                    return __klg_output;
                                }
                                let _ = &self;
                                let _ = &id;
                                {
                                    let __self = self;
                                    let id = id;
                                    let (a, b) = {
                                        let __arg2 = __arg2;
                                        __arg2
                                    };
                                    Ok(())
                                }
                            },
                            ::klg_lock::private::carry::<Result<(), AppError>>,
                        )
                        .await
                })
            }
        "#]],
    );
}

#[test]
fn an_alias_of_the_return_type() {
    check(
        quote!(),
        quote! {
            fn f(#[lock_key] id: u64) -> BoxFuture<'static, Result<(), AppError>> {
                Box::pin(async move { Ok(()) })
            }
        },
        &expect![[r#"
            fn f(id: u64) -> BoxFuture<'static, Result<(), AppError>> {
                Box::pin(async move {
                    let __klg_request = {
                        ::klg_lock::private::Request::new(
                            ::klg_lock::private::mutex(),
                            ::klg_lock::private::key(&[], &[&id]),
                        )
                    };
                    ::klg_lock::private::run(
                            __klg_request,
                            move |_| async move {
                                if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                    _,
                                > {
                                    return __klg_output;
                                }
                                let _ = &id;
                                { Ok(()) }
                            },
                            ::klg_lock::private::carry::<_>,
                        )
                        .await
                })
            }
        "#]],
    );
}

#[test]
fn a_boxed_future_whose_type_an_alias_hides() {
    check_kind(
        Kind::Cached,
        quote!("user:{id}"),
        quote! {
            fn find(id: u64) -> BoxFuture<'static, Found> { Box::pin(async move { load(id).await }) }
        },
        &expect![[r#"
            fn find(id: u64) -> BoxFuture<'static, Found> {
                Box::pin(async move {
                    let __klg_request = {
                        ::klg_lock::cache::attribute::Request::new(
                            ::klg_lock::cache::attribute::current("find"),
                            || ::klg_lock::private::key(&[], &[&"user:", &id]),
                        )
                    };
                    {
                        #[allow(unused_imports)]
                        use ::klg_lock::cache::attribute::AnyValue as _;
                        ::klg_lock::cache::attribute::returns::<
                            <BoxFuture<'static, Found> as ::core::future::Future>::Output,
                        >()
                            .kind()
                    }
                        .cached(
                            __klg_request,
                            move || async move {
                                if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                    _,
                                > {
                                    return __klg_output;
                                }
                                let _ = &id;
                                { load(id).await }
                            },
                            ::klg_lock::cache::attribute::never,
                        )
                        .await
                })
            }
        "#]],
    );
}
