//! Functions whose results are put into the cache, or evict from it.

use expect_test::expect;
use quote::quote;

use super::check_kind;
use crate::attribute::Kind;

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
