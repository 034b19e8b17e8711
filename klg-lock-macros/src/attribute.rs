//! The attributes there are, and those that stand together on one function.

use std::mem;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Path};

/// One of our attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MutexLock,
    BufferLock,
    Cached,
    CachedMany,
    CachePut,
    CacheEvict,
}

/// Attributes that share their options and the helper that marks their key parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Lock,
    Cache,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::MutexLock,
        Self::BufferLock,
        Self::Cached,
        Self::CachedMany,
        Self::CachePut,
        Self::CacheEvict,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MutexLock => "mutex_lock",
            Self::BufferLock => "buffer_lock",
            Self::Cached => "cached",
            Self::CachedMany => "cached_many",
            Self::CachePut => "cache_put",
            Self::CacheEvict => "cache_evict",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::MutexLock | Self::BufferLock => Family::Lock,
            Self::Cached | Self::CachedMany | Self::CachePut | Self::CacheEvict => Family::Cache,
        }
    }

    /// The kind an attribute's path names: by itself, or through this crate.
    ///
    /// A renamed import cannot be seen through; such a sibling expands later, and thus outside.
    fn of(path: &Path) -> Option<Self> {
        is_ours(path, |name| {
            Self::ALL.into_iter().find(|kind| name == kind.name())
        })
    }
}

impl Family {
    pub(crate) const ALL: [Self; 2] = [Self::Lock, Self::Cache];

    /// The attribute that marks a parameter as the key.
    pub(crate) fn helper(self) -> &'static str {
        match self {
            Self::Lock => "lock_key",
            Self::Cache => "cache_key",
        }
    }

    /// What its attributes do with a key.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Cache => "cache",
        }
    }

    /// The family whose helper the path names.
    pub(crate) fn of_helper(path: &Path) -> Option<Self> {
        is_ours(path, |name| {
            Self::ALL.into_iter().find(|family| name == family.helper())
        })
    }
}

fn is_ours<T>(path: &Path, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let last = path.segments.last()?;
    let found = find(&last.ident.to_string())?;
    (path.segments.len() == 1 || path.segments.first()?.ident == "klg_lock").then_some(found)
}

/// What an attribute is given that only has to be there: see [`mark_used`].
const TAKEN: &str = "__klg_taken";

/// One of our attributes as it was written.
pub(crate) struct Written {
    pub(crate) kind: Kind,
    pub(crate) args: TokenStream,
    /// Where the attribute stands, for errors about what is missing from it.
    pub(crate) span: Span,
}

/// Uses of the attributes that were taken along, so that nobody is told that their imports are
/// unused; they expand to nothing.
pub(crate) fn mark_used(taken: &[Path]) -> TokenStream {
    let taken_mark = Ident::new(TAKEN, Span::mixed_site());
    quote!(#(#[#taken(#taken_mark)] const _: () = ();)*)
}

/// Whether these are the arguments of an attribute that [`mark_used`] wrote.
pub(crate) fn is_mark(args: &TokenStream) -> bool {
    let mut args = args.clone().into_iter();
    matches!(args.next(), Some(TokenTree::Ident(mark)) if mark == TAKEN) && args.next().is_none()
}

/// Takes our attributes out of `attrs`, in the order they stand there, each with its path.
pub(crate) fn take_siblings(attrs: &mut Vec<Attribute>) -> Vec<(Path, Written)> {
    let mut siblings = Vec::new();
    attrs.retain_mut(|attr| {
        let Some(kind) = Kind::of(attr.path()) else {
            return true;
        };
        let path = attr.path().clone();
        let args = match &mut attr.meta {
            Meta::List(list) => mem::take(&mut list.tokens),
            // `#[mutex_lock = ".."]` is as good as `#[mutex_lock(..)]` to those who expand first.
            Meta::NameValue(pair) => pair.value.to_token_stream(),
            Meta::Path(_) => TokenStream::new(),
        };
        let span = path.span();
        siblings.push((path, Written { kind, args, span }));
        false
    });
    siblings
}
