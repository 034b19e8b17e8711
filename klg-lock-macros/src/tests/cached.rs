//! A cached `async fn`: its key, and what becomes of its parameters.

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
