//! The function beside a cached one.

use expect_test::expect;
use quote::quote;

use super::check_kind;
use crate::attribute::Kind;

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
