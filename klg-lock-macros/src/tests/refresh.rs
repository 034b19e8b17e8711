//! A cached function that is loaded anew apart from its callers.

use expect_test::expect;
use quote::quote;

use super::check_kind;
use crate::attribute::Kind;

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
