//! What `async_trait` makes of an `async fn`.

use expect_test::expect;
use quote::quote;

use super::check;

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
