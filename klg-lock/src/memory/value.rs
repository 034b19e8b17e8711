//! What a key of a memory server holds: the types Redis has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Bytes, as all of Redis's values are in the end.
pub(crate) type Bytes = Vec<u8>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(Box<[u8]>),
    /// A string that is a number, kept as one.
    Int(i64),
    // Ordered, so that a test sees the same answer each time.
    Hash(BTreeMap<Bytes, Bytes>),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    SortedSet(BTreeMap<Bytes, f64>),
}

impl Value {
    /// The value as text; `None` where the key is not a string.
    pub(crate) fn to_text(&self) -> Option<Box<str>> {
        match self {
            Self::Text(text) => Some(String::from_utf8_lossy(text).into()),
            Self::Int(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// The value as bytes; `None` where the key is not a string.
    pub(crate) fn to_bytes(&self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(text.to_vec()),
            Self::Int(number) => Some(number.to_string().into_bytes()),
            _ => None,
        }
    }

    /// The value as a number, where it is one.
    pub(crate) fn to_number(&self) -> Option<i64> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok()?.parse().ok(),
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// What `TYPE` calls it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Int(_) => "string",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
        }
    }
}

/// A type that holds many things; a key whose collection has become empty is gone.
pub(super) trait Collection: Default + 'static {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    fn is_empty(&self) -> bool;
}

macro_rules! collection {
    ($($variant:ident($type:ty)),* $(,)?) => {
        $(impl Collection for $type {
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(collection) => Some(collection),
                    _ => None,
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(collection) => Some(collection),
                    _ => None,
                }
            }

            fn into_value(self) -> Value {
                Value::$variant(self)
            }

            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        })*
    };
}
collection!(
    Hash(BTreeMap<Bytes, Bytes>),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    SortedSet(BTreeMap<Bytes, f64>),
);
