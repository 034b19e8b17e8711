//! Whether a value is `None`, asked of its `Serialize` implementation.

use std::fmt;

use serde::ser::{Impossible, Serialize, Serializer};

/// Whether `value` is the `None` of an `Option`.
pub(crate) fn is_none<T: Serialize + ?Sized>(value: &T) -> bool {
    value.serialize(Question).is_ok()
}

struct Question;

/// The answer no.
#[derive(Debug)]
struct No;

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a None")
    }
}

impl std::error::Error for No {}

impl serde::ser::Error for No {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! no {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), No> {
            Err(No)
        })*
    };
}

macro_rules! no_parts {
    ($($method:ident($($type:ty),*) -> $part:ident;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<Self::$part, No> {
            Err(No)
        })*
    };
}

impl Serializer for Question {
    type Ok = ();
    type Error = No;
    type SerializeSeq = Impossible<(), No>;
    type SerializeTuple = Impossible<(), No>;
    type SerializeTupleStruct = Impossible<(), No>;
    type SerializeTupleVariant = Impossible<(), No>;
    type SerializeMap = Impossible<(), No>;
    type SerializeStruct = Impossible<(), No>;
    type SerializeStructVariant = Impossible<(), No>;

    fn serialize_none(self) -> Result<(), No> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), No> {
        Err(No)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<(), No> {
        Err(No)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), No> {
        Err(No)
    }

    no! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    no_parts! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_none_is_none() {
        assert!(is_none(&None::<u32>));
        assert!(!is_none(&Some(1)));
        assert!(!is_none(&Some(None::<u32>)));
        assert!(!is_none(&()));
        assert!(!is_none("x"));
        assert!(!is_none(&vec![None::<u32>]));
    }
}
