//! Compression of large values, where a feature for it is on.

use std::borrow::Cow;

use bytes::Bytes;

use super::record::Packing;

/// No value is larger than what Redis stores under one key; a damaged length must not take memory.
#[cfg(any(feature = "zstd", feature = "lz4"))]
const LARGEST: usize = 512 * 1024 * 1024;

/// Whether this build can compress.
pub(crate) const AVAILABLE: bool = cfg!(any(feature = "zstd", feature = "lz4"));

/// Packs a value of at least `above` bytes, if that makes it smaller.
pub(crate) fn pack(value: &[u8], above: Option<u64>) -> (Packing, Cow<'_, [u8]>) {
    let large = above.is_some_and(|above| u64::try_from(value.len()).unwrap_or(u64::MAX) >= above);
    if large
        && let Some((packing, packed)) = compress(value)
        && packed.len() < value.len()
    {
        return (packing, packed.into());
    }
    (Packing::Plain, value.into())
}

#[cfg(feature = "zstd")]
fn compress(value: &[u8]) -> Option<(Packing, Vec<u8>)> {
    // Level 3, the library's own choice; the length goes first.
    let packed = zstd::bulk::compress(value, 3).ok()?;
    Some((Packing::Zstd, with_length(value.len(), &packed)?))
}

#[cfg(all(feature = "lz4", not(feature = "zstd")))]
fn compress(value: &[u8]) -> Option<(Packing, Vec<u8>)> {
    let packed = lz4_flex::block::compress(value);
    Some((Packing::Lz4, with_length(value.len(), &packed)?))
}

#[cfg(not(any(feature = "zstd", feature = "lz4")))]
fn compress(_: &[u8]) -> Option<(Packing, Vec<u8>)> {
    None
}

#[cfg(any(feature = "zstd", feature = "lz4"))]
fn with_length(length: usize, packed: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(4 + packed.len());
    out.extend(u32::try_from(length).ok()?.to_be_bytes());
    out.extend(packed);
    Some(out)
}

/// Unpacks a value; `None`: it is damaged, or packed in a way this build does not know.
pub(crate) fn unpack(packing: Packing, value: Bytes) -> Option<Bytes> {
    match packing {
        Packing::Plain => Some(value),
        #[cfg(feature = "zstd")]
        Packing::Zstd => {
            let (length, packed) = length(&value)?;
            zstd::bulk::decompress(packed, length).ok().map(Bytes::from)
        }
        #[cfg(feature = "lz4")]
        Packing::Lz4 => {
            let (length, packed) = length(&value)?;
            let unpacked = lz4_flex::block::decompress(packed, length).ok()?;
            Some(unpacked.into())
        }
        #[cfg(not(all(feature = "zstd", feature = "lz4")))]
        _ => None,
    }
}

#[cfg(any(feature = "zstd", feature = "lz4"))]
fn length(value: &[u8]) -> Option<(usize, &[u8])> {
    let (length, packed) = value.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    (length <= LARGEST).then_some((length, packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_and_small_values_are_let_be() {
        let value = vec![7; 10_000];
        assert_eq!(pack(&value, None).0, Packing::Plain);
        assert_eq!(pack(&value, Some(10_001)).0, Packing::Plain);
        let (packing, packed) = pack(&value, Some(10_000));
        assert_eq!(packing != Packing::Plain, AVAILABLE);
        assert_eq!(packed.len() < value.len(), AVAILABLE);
        let packed = Bytes::from(packed.into_owned());
        assert_eq!(unpack(packing, packed).as_deref(), Some(&value[..]));
    }

    #[test]
    fn damage_is_noticed() {
        for packing in [Packing::Zstd, Packing::Lz4] {
            for bytes in [&b""[..], b"\xFF\xFF\xFF\xFFabc", b"\0\0\0\x05abc"] {
                let unpacked = unpack(packing, Bytes::from_static(bytes));
                assert!(unpacked.is_none_or(|unpacked| unpacked.len() <= 5));
            }
        }
    }
}
