//! What a function returns, told by its type and not by its name, and what is done with it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CachedCall, Eviction, Loading, Request};
use crate::cache::Codec;
use crate::cache::refresh::{infallible, ok};

/// A function's return type.
pub struct Returns<R>(PhantomData<fn() -> R>);

/// The question what a function returns: `returns::<R>().kind()` is a [`Fallible`] for a `Result`,
/// whatever it is called, and with [`AnyValue`] in scope a [`Plain`] for everything else.
#[must_use]
pub const fn returns<R>() -> Returns<R> {
    Returns(PhantomData)
}

/// The same question, about a value.
#[must_use]
pub fn returned<R>(_: &R) -> Returns<R> {
    returns()
}

impl<T, E> Returns<Result<T, E>> {
    /// It is a `Result`.
    #[must_use]
    pub const fn kind(self) -> Fallible<T, E> {
        Fallible(PhantomData)
    }
}

/// Asked where the question has no better answer: the compiler prefers the method above.
pub trait AnyValue {
    /// What is returned.
    type Value;
    /// It is a value like any other.
    fn kind(self) -> Plain<Self::Value>;
}

impl<T> AnyValue for Returns<T> {
    type Value = T;
    fn kind(self) -> Plain<T> {
        Plain(PhantomData)
    }
}

impl<R> fmt::Debug for Returns<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Returns")
    }
}

/// What can be cached, in words of our own where it cannot.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "does not implement both `Serialize` and `DeserializeOwned` of `serde`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it; what borrows cannot be read back, so return an owned type (`String` for `&str`)"
)]
pub trait Cacheable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Cacheable for T {}

/// What `#[cached_many]` returns.
#[diagnostic::on_unimplemented(
    message = "`#[cached_many]` wraps a function that returns the values by id, not `{Self}`",
    label = "is no `HashMap<K, V>`",
    note = "write `async fn(ids: Vec<K>) -> Result<HashMap<K, V>, E>`: it is called with the ids that are missing alone"
)]
pub trait Many {
    /// What names a value.
    type Id: Eq + Hash;
    /// One value.
    type Value;
    /// Itself.
    fn into_map(self) -> HashMap<Self::Id, Self::Value>;
    /// The way back.
    fn from_map(map: HashMap<Self::Id, Self::Value>) -> Self;
}

impl<K: Eq + Hash, V> Many for HashMap<K, V> {
    type Id = K;
    type Value = V;
    fn into_map(self) -> Self {
        self
    }
    fn from_map(map: Self) -> Self {
        map
    }
}

/// `refresh = background` outlives the call, and the receiver with it.
#[diagnostic::on_unimplemented(
    message = "`refresh = background` outlives the call, and `{Self}` cannot be cloned for it",
    label = "does not implement `Clone`",
    note = "derive `Clone`, take `self: Arc<Self>`, or leave out `refresh`: the caller that is to refresh then waits for it"
)]
pub trait Owned {
    /// A clone.
    fn owned(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Clone> Owned for T {
    fn owned(&self) -> Self {
        self.clone()
    }
}

/// A clone of the receiver.
#[must_use]
pub fn owned<T: Owned>(receiver: &T) -> T {
    receiver.owned()
}

/// What `unless` is unless it is given.
#[must_use]
pub fn never<T: ?Sized>(_: &T) -> bool {
    false
}

/// A function that returns a `Result`: only `Ok` is cached, put, and reason to evict.
pub struct Fallible<T, E>(PhantomData<fn() -> (T, E)>);

impl<T, E> Fallible<T, E> {
    /// `#[cached]`.
    pub fn cached<C, F, Fut, U>(
        self,
        request: Request<C>,
        load: F,
        unless: U,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, C, F, Fut, U>
    where
        T: Cacheable,
        C: Codec,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        U: FnOnce(&T) -> bool,
    {
        request.using(load, |value| !unless(value))
    }

    /// `#[cached(refresh = ..)]`.
    pub fn refreshed<C, F, A, B, U>(
        self,
        request: Request<C>,
        load: F,
        unless: U,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, C, F, A, B, U>
    where
        T: Cacheable + Send + 'static,
        E: Send + 'static,
        C: Codec,
        F: FnOnce(bool) -> Loading<A, B>,
        A: Future<Output = Result<T, E>>,
        B: Future<Output = Result<T, E>> + Send + 'static,
        U: FnOnce(&T) -> bool + Send + 'static,
    {
        request.using_refreshed(load, |value| !unless(value))
    }

    /// `#[cached_many]`.
    pub async fn cached_many<C, P, F, Fut>(
        self,
        request: Request<C>,
        ids: Vec<T::Id>,
        key_of: P,
        load: F,
    ) -> Result<T, E>
    where
        T: Many<Value: Cacheable>,
        C: Codec,
        P: Fn(&T::Id) -> String,
        F: FnOnce(Vec<T::Id>) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Some(entry) = request.many() else {
            return load(ids).await;
        };
        let load = |ids| {
            let load = load(ids);
            async { load.await.map(T::into_map) }
        };
        let values = entry.using_many(ids, key_of, load).await;
        values.map(T::from_map)
    }

    /// `#[cache_put]`. Borrows the result for no longer than it takes to write it.
    pub fn put<C, U, M>(
        self,
        output: &Result<T, E>,
        unless: U,
        request: M,
    ) -> impl Future<Output = ()> + use<T, E, C, U, M>
    where
        T: Cacheable,
        C: Codec,
        U: FnOnce(&T) -> bool,
        M: FnOnce(&T) -> Request<C>,
    {
        let value = output.as_ref().ok().filter(|value| !unless(value));
        let put = value.map(|value| request(value).put(value));
        async {
            if let Some(put) = put {
                put.await;
            }
        }
    }

    /// What `#[cache_evict]` evicts, after that result.
    pub fn evict(
        self,
        output: &Result<T, E>,
        unless: impl FnOnce(&T) -> bool,
        eviction: impl FnOnce(&T) -> Eviction,
    ) -> Eviction {
        let value = output.as_ref().ok().filter(|value| !unless(value));
        value.map_or_else(Eviction::none, eviction)
    }

    /// `#[cached(entry = name)]`.
    pub fn call(self, request: Request) -> CachedCall<T> {
        request.call()
    }
}

/// A function that returns a value that is no `Result`.
pub struct Plain<T>(PhantomData<fn() -> T>);

impl<T> Plain<T> {
    /// `#[cached]`.
    pub fn cached<C, F, Fut, U>(
        self,
        request: Request<C>,
        load: F,
        unless: U,
    ) -> impl Future<Output = T> + use<T, C, F, Fut, U>
    where
        T: Cacheable,
        C: Codec,
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
        U: FnOnce(&T) -> bool,
    {
        request.using_value(load, |value| !unless(value))
    }

    /// `#[cached(refresh = ..)]`.
    pub fn refreshed<C, F, A, B, U>(
        self,
        request: Request<C>,
        load: F,
        unless: U,
    ) -> impl Future<Output = T> + use<T, C, F, A, B, U>
    where
        T: Cacheable + Send + 'static,
        C: Codec,
        F: FnOnce(bool) -> Loading<A, B>,
        A: Future<Output = T>,
        B: Future<Output = T> + Send + 'static,
        U: FnOnce(&T) -> bool + Send + 'static,
    {
        request.using_value_refreshed(load, |value| !unless(value))
    }

    /// `#[cached_many]`.
    pub async fn cached_many<C, P, F, Fut>(
        self,
        request: Request<C>,
        ids: Vec<T::Id>,
        key_of: P,
        load: F,
    ) -> T
    where
        T: Many<Value: Cacheable>,
        C: Codec,
        P: Fn(&T::Id) -> String,
        F: FnOnce(Vec<T::Id>) -> Fut,
        Fut: Future<Output = T>,
    {
        let fallible = Fallible::<T, Infallible>(PhantomData);
        infallible(fallible.cached_many(request, ids, key_of, |ids| ok(load(ids)))).await
    }

    /// `#[cache_put]`. Borrows the value for no longer than it takes to write it.
    pub fn put<C, U, M>(
        self,
        output: &T,
        unless: U,
        request: M,
    ) -> impl Future<Output = ()> + use<T, C, U, M>
    where
        T: Cacheable,
        C: Codec,
        U: FnOnce(&T) -> bool,
        M: FnOnce(&T) -> Request<C>,
    {
        let put = (!unless(output)).then(|| request(output).put(output));
        async {
            if let Some(put) = put {
                put.await;
            }
        }
    }

    /// What `#[cache_evict]` evicts, after that value.
    pub fn evict(
        self,
        output: &T,
        unless: impl FnOnce(&T) -> bool,
        eviction: impl FnOnce(&T) -> Eviction,
    ) -> Eviction {
        if unless(output) {
            return Eviction::none();
        }
        eviction(output)
    }

    /// `#[cached(entry = name)]`.
    pub fn call(self, request: Request) -> CachedCall<T> {
        request.call()
    }
}

impl<T, E> fmt::Debug for Fallible<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}

impl<T> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}
