//! What can be stored: types that turn into bytes, and back.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;

/// Why a value could not be encoded or decoded.
pub type CodecError = Box<dyn StdError + Send + Sync>;

/// A type that can be stored: text, bytes, numbers, and whatever [`Json`](super::Json) or
/// [`MessagePack`](super::MessagePack) wrap.
///
/// Numbers and booleans are stored as text (`true` as `1`), so that counters can count them.
pub trait Encode {
    /// The value as Redis keeps it.
    ///
    /// # Errors
    /// Whatever keeps the value from being written, such as a map with keys that JSON does not
    /// allow.
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError>;
}

/// A type that can be read back from what was stored.
pub trait Decode: Sized {
    /// The value behind the bytes.
    ///
    /// # Errors
    /// Why the bytes are not such a value.
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError>;
}

impl<T: Encode + ?Sized> Encode for &T {
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
        (**self).encode()
    }
}

macro_rules! encode_text {
    ($($type:ty),*) => {
        $(impl Encode for $type {
            fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
                let text: &str = self;
                Ok(Cow::Borrowed(text.as_bytes()))
            }
        })*
    };
}
encode_text!(str, String, Box<str>, Arc<str>, Cow<'_, str>);

macro_rules! encode_bytes {
    ($($type:ty),*) => {
        $(impl Encode for $type {
            fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
                Ok(Cow::Borrowed(self))
            }
        })*
    };
}
encode_bytes!([u8], Vec<u8>, Box<[u8]>);

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(Cow::Borrowed(self))
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Encode for $type {
            fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
                Ok(Cow::Owned(self.to_string().into_bytes()))
            }
        }

        impl Decode for $type {
            fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
                Ok(std::str::from_utf8(&bytes)?.parse()?)
            }
        })*
    };
}
numbers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64
);

impl Encode for bool {
    fn encode(&self) -> Result<Cow<'_, [u8]>, CodecError> {
        Ok(Cow::Borrowed(if *self { b"1" } else { b"0" }))
    }
}

impl Decode for bool {
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
        match bytes.as_slice() {
            b"1" | b"true" => Ok(true),
            b"0" | b"false" => Ok(false),
            _ => Err("neither 1 nor 0".into()),
        }
    }
}

impl Decode for Vec<u8> {
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Ok(bytes)
    }
}

impl Decode for String {
    fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Ok(Self::from_utf8(bytes)?)
    }
}

macro_rules! decode_text {
    ($($type:ty),*) => {
        $(impl Decode for $type {
            fn decode(bytes: Vec<u8>) -> Result<Self, CodecError> {
                String::decode(bytes).map(Into::into)
            }
        })*
    };
}
decode_text!(Box<str>, Arc<str>);

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    fn there_and_back<T: Encode + Decode + PartialEq + Debug>(value: T) {
        let bytes = value.encode().expect("encodes").into_owned();
        assert_eq!(T::decode(bytes).expect("decodes"), value);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            text: String, bytes: Vec<u8>, int: i64, unsigned: u128, flag: bool,
            float in any::<f64>().prop_filter("a number", |float| !float.is_nan()),
        ) {
            there_and_back(text);
            there_and_back(bytes);
            there_and_back(int);
            there_and_back(unsigned);
            there_and_back(flag);
            there_and_back(float);
        }
    }

    #[test]
    fn what_is_no_such_value_is_an_error() {
        assert!(u8::decode(b"256".to_vec()).is_err());
        assert!(i64::decode(b"1.5".to_vec()).is_err());
        assert!(bool::decode(b"yes".to_vec()).is_err());
        assert!(String::decode(vec![0xff]).is_err());
    }
}
