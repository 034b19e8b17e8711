//! The expansion rests on no name of the user's, sees through `macro_rules`, honours `cfg` on
//! parameters, and finds the library elsewhere.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

use klg_lock_ui_tests::on_memory;

mod locks {
    pub use klg_lock::*;
}

mod shadowed {
    use ::klg_lock::{cache_evict, cache_put, cached};

    struct Option;
    struct String;
    struct Some;
    struct Ok;
    struct Err;
    struct u64;
    mod core {}
    mod std {}
    mod klg_lock {}
    trait AnyValue {
        fn kind(&self) {}
    }
    impl<T> AnyValue for T {}

    #[cached("shadowed:{request}", tags = ["{key}"])]
    pub(super) async fn cached_here(request: u8, key: u8) -> u8 {
        let load = 1;
        request + load + key
    }

    #[cache_put("put:{return}:{value}")]
    #[cache_evict("evict:{return}:{value}")]
    pub(super) async fn put_here(value: u8) -> u8 {
        value + 1
    }
}

#[klg_lock::cached("elsewhere", crate = crate::locks)]
async fn elsewhere() -> u8 {
    1
}

#[klg_lock::cached]
async fn conditional(
    #[cfg(any())]
    #[cache_key]
    never: u8,
    #[cfg(all())]
    #[cache_key]
    id: u8,
) -> u8 {
    id
}

macro_rules! cached_function {
    ($name:ident, $key:literal, $argument:ident, $ttl:expr, $body:block) => {
        #[klg_lock::cached($key, ttl = $ttl)]
        async fn $name($argument: u8) -> u8 $body
    };
}

cached_function!(made, "made:{id}", id, "1m", { id + 1 });

fn main() {
    on_memory(async {
        assert_eq!(shadowed::cached_here(1, 2).await, 4);
        assert_eq!(shadowed::put_here(1).await, 2);
        assert_eq!(elsewhere().await, 1);
        assert_eq!(conditional(7).await, 7);
        assert_eq!(made(1).await, 2);
        let cache = klg_lock::registry().unwrap().cache();
        for (key, value) in [("put:2:1", 2_u8), ("elsewhere", 1), ("conditional:7", 7), ("made:1", 2)] {
            assert_eq!(cache.get(key).await.unwrap(), Some(value), "{key}");
        }
    });
}
