//! The attributes there are, and those that stand together on one function.

use std::mem;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Path};

/// One of our attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    MutexLock,
    BufferLock,
}

/// Attributes that share their options and the helper that marks their key parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Lock,
}

impl Kind {
    const ALL: [Self; 2] = [Self::MutexLock, Self::BufferLock];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MutexLock => "mutex_lock",
            Self::BufferLock => "buffer_lock",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::MutexLock | Self::BufferLock => Family::Lock,
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
    pub(crate) const ALL: [Self; 1] = [Self::Lock];

    /// The attribute that marks a parameter as the key.
    pub(crate) fn helper(self) -> &'static str {
        match self {
            Self::Lock => "lock_key",
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

/// One of our attributes as it was written.
pub(crate) struct Written {
    pub(crate) kind: Kind,
    pub(crate) args: TokenStream,
    /// Where the attribute stands, for errors about what is missing from it.
    pub(crate) span: Span,
}

/// Whether the attribute becomes one of ours in some configurations.
///
/// The compiler would expand it after the ones above it, and so put it outside of them.
pub(crate) fn is_conditional(attr: &Attribute) -> bool {
    let Meta::List(list) = &attr.meta else {
        return false;
    };
    let ours = |token| match token {
        TokenTree::Ident(ident) => Kind::ALL.iter().any(|kind| ident == kind.name()),
        _ => false,
    };
    list.path.is_ident("cfg_attr") && list.tokens.clone().into_iter().any(ours)
}

/// Takes our attributes out of `attrs`, in the order they stand there.
pub(crate) fn take_siblings(attrs: &mut Vec<Attribute>) -> Vec<Written> {
    let mut siblings = Vec::new();
    attrs.retain_mut(|attr| {
        let Some(kind) = Kind::of(attr.path()) else {
            return true;
        };
        let span = attr.path().span();
        let args = match &mut attr.meta {
            Meta::List(list) => mem::take(&mut list.tokens),
            // `#[mutex_lock = ".."]` is as good as `#[mutex_lock(..)]` to those who expand first.
            Meta::NameValue(pair) => quote::ToTokens::to_token_stream(&pair.value),
            Meta::Path(_) => TokenStream::new(),
        };
        siblings.push(Written { kind, args, span });
        false
    });
    siblings
}
