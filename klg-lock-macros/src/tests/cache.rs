//! Cache attributes on `async fn`.

use expect_test::expect;
use quote::quote;

use super::check_kind;
use crate::attribute::Kind;

#[test]
fn a_literal_key_and_options() {
    check_kind(
        Kind::Cached,
        quote!(
            "user:{id}",
            ttl = "5m",
            tags = ["users", "org:{self.org}"],
            condition = id > 0,
            codec = json
        ),
        quote! {
            pub async fn find(&self, id: u64) -> Result<User, AppError> { load(id).await }
        },
        &expect![[r#"
            pub async fn find(&self, id: u64) -> Result<User, AppError> {
                let __klg_request = {
                    if id > 0 {
                        ::klg_lock::cache::attribute::Request::new(
                                ::klg_lock::cache::attribute::current("find"),
                                || ::klg_lock::private::key(&[], &[&"user:", &id]),
                            )
                            .ttl(::core::time::Duration::new(300u64, 0u32))
                            .codec(::klg_lock::cache::attribute::Codec::Json)
                            .tags(|| [
                                ::std::string::String::from("users"),
                                ::klg_lock::private::key(&[], &[&"org:", &self.org]),
                            ])
                    } else {
                        ::klg_lock::cache::attribute::Request::past()
                    }
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<Result<User, AppError>>().kind()
                }
                    .cached(
                        __klg_request,
                        move || async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<User, AppError>,
                            > {
                                return __klg_output;
                            }
                            let id = id;
                            let _ = &id;
                            { load(id).await }
                        },
                        ::klg_lock::cache::attribute::never,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn marked_arguments_stand_behind_the_functions_name() {
    check_kind(
        Kind::Cached,
        quote!(unless = |value| value.is_empty()),
        quote! {
            async fn profile(#[cache_key("id")] Query { id, .. }: Query, #[cfg(x)] #[cache_key] page: u8) -> Vec<u8> { vec![id] }
        },
        &expect![[r#"
            async fn profile((__klg_arg0): Query, #[cfg(x)] page: u8) -> Vec<u8> {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("profile"),
                        || ::klg_lock::private::joined(
                            &[&"profile"],
                            &[&__klg_arg0.id, #[cfg(x)] &page],
                        ),
                    )
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<Vec<u8>>().kind()
                }
                    .cached(
                        __klg_request,
                        move || async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Vec<u8>,
                            > {
                                return __klg_output;
                            }
                            let __klg_arg0 = __klg_arg0;
                            let Query { id, .. } = __klg_arg0;
                            #[cfg(x)]
                            let page = page;
                            #[cfg(x)]
                            let _ = &page;
                            { vec![id] }
                        },
                        |value| value.is_empty(),
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_body_in_the_background_has_its_receiver_under_another_name() {
    check_kind(
        Kind::Cached,
        quote!("k", refresh = background),
        quote! {
            async fn find(&self, id: u64) -> Option<u8> {
                impl X for Y { fn x(&self) -> &u8 { &self.0 } }
                let f: fn(u8) -> u8 = self.f;
                self.load(id, |x| self.y(x)).await
            }
        },
        &expect![[r#"
            async fn find(&self, id: u64) -> Option<u8> {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("find"),
                        || ::std::string::String::from("k"),
                    )
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<Option<u8>>().kind()
                }
                    .refreshed(
                        __klg_request,
                        move |_| {
                            let __klg_self = ::klg_lock::cache::attribute::owned(self);
                            ::klg_lock::cache::attribute::Loading::<
                                ::core::future::Ready<Option<u8>>,
                                _,
                            >::Apart(async move {
                                let __klg_self = &__klg_self;
                                if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                    Option<u8>,
                                > {
                                    return __klg_output;
                                }
                                let id = id;
                                {
                                    impl X for Y {
                                        fn x(&self) -> &u8 {
                                            &self.0
                                        }
                                    }
                                    let f: fn(u8) -> u8 = __klg_self.f;
                                    __klg_self.load(id, |x| __klg_self.y(x)).await
                                }
                            })
                        },
                        ::klg_lock::cache::attribute::never,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_refresh_of_ones_own() {
    check_kind(
        Kind::Cached,
        quote!("k", refresh = load(id)),
        quote! {
            async fn find(id: u64) -> Option<u8> { None }
        },
        &expect![[r#"
            async fn find(id: u64) -> Option<u8> {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("find"),
                        || ::std::string::String::from("k"),
                    )
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<Option<u8>>().kind()
                }
                    .refreshed(
                        __klg_request,
                        move |__klg_elected| {
                            if __klg_elected {
                                ::klg_lock::cache::attribute::Loading::Apart(load(id))
                            } else {
                                ::klg_lock::cache::attribute::Loading::Here(async move {
                                    if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                        Option<u8>,
                                    > {
                                        return __klg_output;
                                    }
                                    let id = id;
                                    let _ = &id;
                                    { None }
                                })
                            }
                        },
                        ::klg_lock::cache::attribute::never,
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_function_beside_it() {
    check_kind(
        Kind::Cached,
        quote!(
            "{self.org}:{id}",
            condition = deep,
            ttl = ttl,
            entry = entry
        ),
        quote! {
            #[cfg(unix)]
            #[inline]
            pub(crate) async fn find<T: Deep>(&self, mut id: u64, ttl: Duration, deep: T) -> io::Result<User>
            where
                T: Send,
            {
                None
            }
        },
        &expect![[r##"
            #[cfg(unix)]
            #[inline]
            pub(crate) async fn find<T: Deep>(
                &self,
                id: u64,
                ttl: Duration,
                deep: T,
            ) -> io::Result<User>
            where
                T: Send,
            {
                let __klg_request = {
                    if deep {
                        ::klg_lock::cache::attribute::Request::new(
                                ::klg_lock::cache::attribute::current("find"),
                                || ::klg_lock::private::key(&[], &[&self.org, &":", &id]),
                            )
                            .ttl(ttl)
                    } else {
                        ::klg_lock::cache::attribute::Request::past()
                    }
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<io::Result<User>>().kind()
                }
                    .cached(
                        __klg_request,
                        move || async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                io::Result<User>,
                            > {
                                return __klg_output;
                            }
                            let mut id = id;
                            let _ = &id;
                            let ttl = ttl;
                            let _ = &ttl;
                            let deep = deep;
                            let _ = &deep;
                            { None }
                        },
                        ::klg_lock::cache::attribute::never,
                    )
                    .await
            }
            #[cfg(unix)]
            ///What the cache has of `find` with these arguments: read it, put, evict or refresh it.
            pub(crate) fn entry<T: Deep>(
                &self,
                id: u64,
                ttl: Duration,
            ) -> ::klg_lock::cache::attribute::CachedCall<User>
            where
                T: Send,
            {
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<io::Result<User>>().kind()
                }
                    .call({
                        ::klg_lock::cache::attribute::Request::new(
                                ::klg_lock::cache::attribute::current("find"),
                                || ::klg_lock::private::key(&[], &[&self.org, &":", &id]),
                            )
                            .ttl(ttl)
                    })
            }
        "##]],
    );
}

#[test]
fn several_ids() {
    check_kind(
        Kind::CachedMany,
        quote!("{kind}:{id.0}", keys = ids),
        quote! {
            async fn find(kind: &str, mut ids: Vec<Id>) -> Result<HashMap<Id, User>, AppError> { load(ids).await }
        },
        &expect![[r#"
            async fn find(kind: &str, ids: Vec<Id>) -> Result<HashMap<Id, User>, AppError> {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("find"),
                        ::std::string::String::new,
                    )
                };
                let __klg_part0 = { ::klg_lock::private::key(&[], &[&kind]) };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<Result<HashMap<Id, User>, AppError>>()
                        .kind()
                }
                    .cached_many(
                        __klg_request,
                        ids,
                        move |__klg_value| ::klg_lock::private::key(
                            &[],
                            &[&__klg_part0, &":", &__klg_value.0],
                        ),
                        move |ids| async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                Result<HashMap<Id, User>, AppError>,
                            > {
                                return __klg_output;
                            }
                            let kind = kind;
                            let _ = &kind;
                            let mut ids = ids;
                            { load(ids).await }
                        },
                    )
                    .await
            }
        "#]],
    );
}

#[test]
fn a_put_under_a_key_that_names_the_result() {
    check_kind(
        Kind::CachePut,
        quote!(
            "{org}:{return.id}",
            tags = ["{return.org}", format!("{org}")]
        ),
        quote! {
            async fn save(org: String, user: User) -> Result<User, AppError> { Ok(user) }
        },
        &expect![[r#"
            async fn save(org: String, user: User) -> Result<User, AppError> {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("save"),
                        ::std::string::String::new,
                    )
                };
                let __klg_part0 = { ::klg_lock::private::key(&[], &[&org]) };
                let __klg_part1 = { ::klg_lock::private::key(&[], &[&(format!("{org}"))]) };
                let __klg_result: Result<User, AppError> = async move {
                    if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                        Result<User, AppError>,
                    > {
                        return __klg_output;
                    }
                    let org = org;
                    let _ = &org;
                    let user = user;
                    { Ok(user) }
                }
                    .await;
                let __klg_put = {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returned(&__klg_result).kind()
                }
                    .put(
                        &__klg_result,
                        ::klg_lock::cache::attribute::never,
                        move |__klg_value| {
                            __klg_request
                                .key(|| ::klg_lock::private::key(
                                    &[],
                                    &[&__klg_part0, &":", &__klg_value.id],
                                ))
                                .tags(|| [
                                    ::klg_lock::private::key(&[], &[&__klg_value.org]),
                                    __klg_part1,
                                ])
                        },
                    );
                __klg_put.await;
                __klg_result
            }
        "#]],
    );
}

#[test]
fn evictions_before_and_after_nest_as_written() {
    check_kind(
        Kind::CacheEvict,
        quote!("user:{id}", tag = "users", strict),
        quote! {
            #[cache_evict(all, before)]
            #[mutex_lock("{id}")]
            async fn delete(id: u64) -> Result<(), AppError> { Ok(()) }
        },
        &expect![[r#"
            async fn delete(id: u64) -> Result<(), AppError> {
                #[cache_evict(__klg_taken)]
                const _: () = ();
                #[mutex_lock(__klg_taken)]
                const _: () = ();
                let __klg_eviction = {
                    ::klg_lock::cache::attribute::Eviction::new(
                            ::klg_lock::cache::attribute::current("delete"),
                        )
                        .key(::klg_lock::private::key(&[], &[&"user:", &id]))
                        .tags([::std::string::String::from("users")])
                };
                let __klg_result: Result<(), AppError> = async move {
                    let __klg_eviction = {
                        ::klg_lock::cache::attribute::Eviction::new(
                                ::klg_lock::cache::attribute::current("delete"),
                            )
                            .all()
                    };
                    __klg_eviction.run().await;
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
                }
                    .await;
                let __klg_eviction = {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returned(&__klg_result).kind()
                }
                    .evict(
                        &__klg_result,
                        ::klg_lock::cache::attribute::never,
                        move |_| __klg_eviction,
                    );
                if let ::core::result::Result::Err(__klg_error) = __klg_eviction.strict().await {
                    return ::klg_lock::cache::attribute::carry::<Result<(), AppError>>(__klg_error);
                }
                __klg_result
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

#[test]
fn what_another_attribute_is_to_see_is_left_alone() {
    check_kind(
        Kind::Cached,
        quote!("k"),
        quote! {
            async fn find(#[lock_key] id: u64) -> u8 { 1 }
        },
        &expect![[r#"
            async fn find(#[lock_key] id: u64) -> u8 {
                let __klg_request = {
                    ::klg_lock::cache::attribute::Request::new(
                        ::klg_lock::cache::attribute::current("find"),
                        || ::std::string::String::from("k"),
                    )
                };
                {
                    #[allow(unused_imports)]
                    use ::klg_lock::cache::attribute::AnyValue as _;
                    ::klg_lock::cache::attribute::returns::<u8>().kind()
                }
                    .cached(
                        __klg_request,
                        move || async move {
                            if let ::core::option::Option::Some(__klg_output) = ::core::option::Option::None::<
                                u8,
                            > {
                                return __klg_output;
                            }
                            let id = id;
                            { 1 }
                        },
                        ::klg_lock::cache::attribute::never,
                    )
                    .await
            }
        "#]],
    );
}
