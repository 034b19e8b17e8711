//! Lock attributes on `async fn`.

use expect_test::expect;
use quote::quote;

use super::{check, check_kind};
use crate::attribute::Kind;

#[test]
fn a_literal_key() {
    check(
        quote!("key1"),
        quote! {
            /// Documented.
            pub async fn mutex(&self) -> Result<Vec<u32>, AppError> { Ok(vec![1, 2, 3, 4, 5]) }
        },
        &expect![[r#"
            /// Documented.
            pub async fn mutex(&self) -> Result<Vec<u32>, AppError> {
                let __klg_request = {
                    ::klg_lock::private::Request::new(::klg_lock::private::mutex(), "key1")
                };
                ::klg_lock::private::run(
                        __klg_request,
                        move |_| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<Vec<u32>, AppError>,
                            > {
                                return __klg_output;
                            }
                            { Ok(vec![1, 2, 3, 4, 5]) }
                        },
                        ::klg_lock::private::carry::<Result<Vec<u32>, AppError>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_marked_argument_and_its_field() {
    check_kind(
        Kind::BufferLock,
        quote!(),
        quote! {
            async fn buffer(self, #[lock_key("key.0")] mut params: Params, other: u8) -> Result<Params, AppError> { Ok(params) }
        },
        &expect![[r#"
            async fn buffer(self, params: Params, other: u8) -> Result<Params, AppError> {
                let __klg_request = {
                    ::klg_lock::private::Request::new(
                        ::klg_lock::private::buffer(),
                        ::klg_lock::private::key(&[], &[&params.key.0]),
                    )
                };
                ::klg_lock::private::run(
                        __klg_request,
                        move |_| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<Params, AppError>,
                            > {
                                return __klg_output;
                            }
                            let _ = &self;
                            let mut params = params;
                            let _ = &params;
                            let other = other;
                            { Ok(params) }
                        },
                        ::klg_lock::private::carry::<Result<Params, AppError>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn placeholders_scope_and_options() {
    check(
        quote!(
            "order:{order_id}:{line.sku}",
            scope = "shop",
            ttl = "30s",
            wait = 1500,
            max_hold = LIMIT,
            auto_extend = false,
            on_lost = signal,
            guard = lock,
            client = "session"
        ),
        quote! {
            async fn ship<T>(&self, order_id: u64, line: &Line<T>) -> Result<impl Display, AppError> where T: Display { lock.lost().await; }
        },
        &expect![[r#"
            async fn ship<T>(&self, order_id: u64, line: &Line<T>) -> Result<impl Display, AppError>
            where
                T: Display,
            {
                let __klg_request = {
                    ::klg_lock::private::Request::new(
                            ::klg_lock::private::mutex_on(&("session")),
                            ::klg_lock::private::key(
                                &[&"shop"],
                                &[&"order:", &order_id, &":", &line.sku],
                            ),
                        )
                        .ttl(::core::time::Duration::new(30u64, 0u32))
                        .wait(::core::time::Duration::new(1u64, 500000000u32))
                        .max_hold(LIMIT)
                        .auto_extend(false)
                        .on_lost(::klg_lock::private::OnLost::Signal)
                };
                ::klg_lock::private::run(
                        __klg_request,
                        move |lock| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<_, AppError>,
                            > {
                                return __klg_output;
                            }
                            let order_id = order_id;
                            let _ = &order_id;
                            let line = line;
                            let _ = &line;
                            {
                                lock.lost().await;
                            }
                        },
                        ::klg_lock::private::carry::<Result<_, AppError>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn patterns_are_taken_apart_inside() {
    check(
        quote!("{id}:{x}", ttl = ttl),
        quote! {
            async fn take(Params { id, ref ttl, .. }: Params, _: Probe, &(x, _): &(u8, u8)) -> Result<(), AppError> { Ok(()) }
        },
        &expect![[r#"
            async fn take(
                (__klg_arg0): Params,
                (__klg_arg1): Probe,
                (__klg_arg2): &(u8, u8),
            ) -> Result<(), AppError> {
                let __klg_request = {
                    let Params { id, ttl, .. } = &__klg_arg0;
                    let _ = &id;
                    let _ = &ttl;
                    let (x, _) = &__klg_arg2;
                    let _ = &x;
                    ::klg_lock::private::Request::new(
                            ::klg_lock::private::mutex(),
                            ::klg_lock::private::key(&[], &[&id, &":", &x]),
                        )
                        .ttl(ttl)
                };
                ::klg_lock::private::run(
                        __klg_request,
                        move |_| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<(), AppError>,
                            > {
                                return __klg_output;
                            }
                            let __klg_arg0 = __klg_arg0;
                            let Params { id, ref ttl, .. } = __klg_arg0;
                            let _ = &id;
                            let _ = &ttl;
                            let __klg_arg1 = __klg_arg1;
                            let __klg_arg2 = __klg_arg2;
                            let &(x, _) = __klg_arg2;
                            let _ = &x;
                            { Ok(()) }
                        },
                        ::klg_lock::private::carry::<Result<(), AppError>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn conditions_on_parameters() {
    check(
        quote!(),
        quote! {
            async fn take(#[cfg(a)] #[lock_key] #[allow(x)] one: u8, #[cfg(b)] #[cfg(c)] #[lock_key("0")] (x,): (u8,)) -> Result<(), AppError> { Ok(()) }
        },
        &expect![[r#"
            async fn take(
                #[cfg(a)]
                #[allow(x)]
                one: u8,
                #[cfg(b)]
                #[cfg(c)]
                (__klg_arg1): (u8,),
            ) -> Result<(), AppError> {
                let __klg_request = {
                    #[cfg(not(any(all(a), all(b, c))))]
                    ::core::compile_error!(
                        "no `#[lock_key]` parameter is left in this configuration"
                    );
                    ::klg_lock::private::Request::new(
                        ::klg_lock::private::mutex(),
                        [
                            #[cfg(a)]
                            ::klg_lock::private::key(&[], &[&one]),
                            #[cfg(b)]
                            #[cfg(c)]
                            ::klg_lock::private::key(&[], &[&__klg_arg1.0]),
                        ],
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
                            #[cfg(a)]
                            let one = one;
                            #[cfg(a)]
                            let _ = &one;
                            #[cfg(b)]
                            #[cfg(c)]
                            let __klg_arg1 = __klg_arg1;
                            #[cfg(b)]
                            #[cfg(c)]
                            let (x,) = __klg_arg1;
                            { Ok(()) }
                        },
                        ::klg_lock::private::carry::<Result<(), AppError>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn values_instead_of_errors() {
    check(
        quote!(
            "report",
            on_locked = Skipped(day),
            on_error = |error| Failed(error)
        ),
        quote! {
            async fn report((day, _): (Day, u8)) -> Report { #![allow(x)] make(day).await }
        },
        &expect![[r#"
            async fn report((__klg_arg0): (Day, u8)) -> Report {
                #![allow(x)]
                let __klg_request = {
                    let (day, _) = &__klg_arg0;
                    let _ = &day;
                    ::klg_lock::private::Request::new(::klg_lock::private::mutex(), "report")
                };
                let __klg_error = match ::klg_lock::private::enter(__klg_request).await {
                    ::core::result::Result::Ok(__klg_held) => {
                        match __klg_held
                            .run(move |_| async move {
                                if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                    Report,
                                > {
                                    return __klg_output;
                                }
                                let __klg_arg0 = __klg_arg0;
                                let (day, _) = __klg_arg0;
                                let _ = &day;
                                { make(day).await }
                            })
                            .await
                        {
                            ::core::result::Result::Ok(__klg_output) => return __klg_output,
                            ::core::result::Result::Err(__klg_error) => __klg_error,
                        }
                    }
                    ::core::result::Result::Err(
                        __klg_error,
                    ) if ::klg_lock::private::is_locked(&__klg_error) => {
                        let (day, _) = __klg_arg0;
                        let _ = &day;
                        return ::klg_lock::private::instead::<Report>(Skipped(day));
                    }
                    ::core::result::Result::Err(__klg_error) => __klg_error,
                };
                ::klg_lock::private::handle::<Report>(__klg_error, |error| Failed(error))
            }
        "#]],
    );
}

#[test]
fn siblings_nest_as_written() {
    check(
        quote!("outer", guard = a),
        quote! {
            #[instrument]
            #[klg_lock::buffer_lock(guard = b)]
            #[inline]
            async fn both(#[lock_key] id: u64) -> Result<(), AppError> { Ok(()) }
        },
        &expect![[r##"
            #[instrument]
            #[inline]
            async fn both(id: u64) -> Result<(), AppError> {
                #[klg_lock::buffer_lock(__klg_taken)]
                const _: () = ();
                let __klg_request = {
                    ::klg_lock::private::Request::new(::klg_lock::private::mutex(), "outer")
                };
                ::klg_lock::private::run(
                        __klg_request,
                        move |a| async move {
                            let __klg_request = {
                                ::klg_lock::private::Request::new(
                                    ::klg_lock::private::buffer(),
                                    ::klg_lock::private::key(&[], &[&id]),
                                )
                            };
                            ::klg_lock::private::run(
                                    __klg_request,
                                    move |b| async move {
                                        if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                            Result<(), AppError>,
                                        > {
                                            return __klg_output;
                                        }
                                        let id = id;
                                        let _ = &id;
                                        { Ok(()) }
                                    },
                                    ::klg_lock::private::carry::<Result<(), AppError>>,
                                )
                                .await
                        },
                        ::klg_lock::private::carry::<Result<(), AppError>>,
                    )
                    .await
            }
        "##]],
    );
}

#[test]
fn another_path_to_the_library() {
    check(
        quote!(
            key = [first(), "second:{id}"],
            crate = crate::locks,
            redlock = &self.redlock
        ),
        quote! {
            async fn f(&mut self, id: u64) -> anyhow::Result<()> { Ok(()) }
        },
        &expect![[r#"
            async fn f(&mut self, id: u64) -> anyhow::Result<()> {
                let __klg_request = {
                    crate::locks::private::Request::new(
                        crate::locks::private::mutex_of(&(&self.redlock)),
                        [
                            crate::locks::private::key(&[], &[&(first())]),
                            crate::locks::private::key(&[], &[&"second:", &id]),
                        ],
                    )
                };
                crate::locks::private::run(
                        __klg_request,
                        move |_| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                anyhow::Result<()>,
                            > {
                                return __klg_output;
                            }
                            let id = id;
                            let _ = &id;
                            { Ok(()) }
                        },
                        crate::locks::private::carry::<anyhow::Result<()>>,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_half_typed_body_reaches_the_compiler() {
    let tokens = crate::expand(
        Kind::MutexLock,
        quote!("k"),
        quote! { async fn f() -> Result<(), AppError> { self.foo. } },
    );
    assert!(tokens.to_string().contains("{ self . foo . }"), "{tokens}");
    assert!(!tokens.to_string().contains("compile_error"), "{tokens}");
}
