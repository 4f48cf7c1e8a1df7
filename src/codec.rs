//! The one canonical encoding: fixed-width little-endian, strict (decision 2; docs/format.md, "Encoding").
//!
//! `bincode` 2 in its legacy layout does the work: integers little-endian at full width, lengths
//! as `u64`, enum variants as `u32`, options and booleans as one byte, arrays bare. Decoding here
//! adds what bincode leaves out: no byte may be left over, and the value must encode back to the
//! very bytes it came from. Bounds of single fields stand with their types in [`crate::event`].

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

/// The most bytes that one decoding may claim. Entries are at most 65,535 bytes (a C2SP entry bundle's limit), and our
/// types claim no more than they read, so this refuses nothing that their own bounds allow. Without one, the length
/// before a text could ask for petabytes: it is checked against the text's bound only when the text is there.
const CLAIM_MAX: usize = 1 << 20;

const CONFIG: Configuration<LittleEndian, Fixint, Limit<CLAIM_MAX>> =
    bincode::config::legacy().with_limit::<CLAIM_MAX>();

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the bytes end too early")]
    Truncated,
    /// A value is whole, and bytes follow it.
    #[error("{count} bytes follow after the end of the value")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// The bytes decode, but a canonical encoder would have written others.
    #[error("the bytes are not in canonical form")]
    NotCanonical,
    /// An enum variant that this version does not know.
    #[error("variant {variant} of {what} is unknown")]
    UnknownVariant {
        /// The enum's name.
        what: &'static str,
        /// The number found.
        variant: u32,
    },
    /// Laid out by a later version.
    #[error("{what} is in layout version {version}, which this program does not know: upgrade it")]
    Newer {
        /// What was read.
        what: &'static str,
        /// The version found.
        version: u32,
    },
    /// A length or a value outside its bounds, or text that is not allowed.
    #[error("{0}")]
    Invalid(String),
}

impl From<DecodeError> for CodecError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::UnexpectedEnd { .. } => Self::Truncated,
            DecodeError::UnexpectedVariant { type_name, found, .. } => {
                Self::UnknownVariant { what: last_segment(type_name), variant: found }
            }
            DecodeError::LimitExceeded => Self::Invalid("a length is beyond every bound".into()),
            DecodeError::Utf8 { .. } => Self::Invalid("text is not UTF-8".into()),
            DecodeError::InvalidBooleanValue(value) => {
                Self::Invalid(format!("{value} is not a boolean: 0 or 1 is expected"))
            }
            DecodeError::OtherString(reason) => Self::Invalid(reason),
            other => Self::Invalid(other.to_string()),
        }
    }
}

/// The name of a type from its path, without what it is generic over.
fn last_segment(path: &'static str) -> &'static str {
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// Encodes `value` canonically.
#[must_use]
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, CONFIG).expect("writing to memory cannot fail")
}

/// Decodes `bytes` as one `T`, whole and canonical.
///
/// # Errors
/// [`CodecError`] where bytes are missing, left over, not canonical, or break a bound of a field.
pub fn decode<T: Decode<()> + Encode>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, consumed) = decode_prefix::<T>(bytes)?;
    if consumed != bytes.len() {
        return Err(CodecError::Trailing { count: bytes.len() - consumed });
    }
    if !encodes_to(&value, bytes) {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Decodes a `T` from the front of `bytes`, and says how many bytes it took. For looking ahead
/// into what a newer version wrote; everything else goes through [`decode`].
///
/// # Errors
/// [`CodecError`] as for [`decode`], trailing bytes excepted.
pub fn decode_prefix<T: Decode<()>>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    Ok(bincode::decode_from_slice(bytes, CONFIG)?)
}

/// Says whether `value` encodes to exactly `bytes`, without building the encoding.
fn encodes_to<T: Encode>(value: &T, bytes: &[u8]) -> bool {
    let mut comparer = Comparer { rest: bytes };
    bincode::encode_into_writer(value, &mut comparer, CONFIG).is_ok() && comparer.rest.is_empty()
}

/// A writer that compares what it is given with what is expected.
struct Comparer<'a> {
    rest: &'a [u8],
}

impl bincode::enc::write::Writer for Comparer<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.rest =
            self.rest.strip_prefix(bytes).ok_or(bincode::error::EncodeError::Other("not canonical"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_fixed_width_little_endian() {
        let value = (1u32, String::from("ab"), Some(true), [7u8; 2]);
        let expected = [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', 1, 1, 7, 7];
        assert_eq!(encode(&value), expected);
        assert_eq!(decode::<(u32, String, Option<bool>, [u8; 2])>(&expected), Ok(value));
    }

    #[test]
    fn trailing_and_missing_bytes_are_told_apart() {
        let bytes = encode(&5u64);
        assert_eq!(decode::<u64>(&bytes[..7]), Err(CodecError::Truncated));
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode::<u64>(&longer), Err(CodecError::Trailing { count: 1 }));
    }

    #[test]
    fn an_unknown_option_tag_names_the_option() {
        let expected = CodecError::UnknownVariant { what: "Option", variant: 2 };
        assert_eq!(decode::<Option<crate::hash::Hash>>(&[2]), Err(expected));
    }

    #[test]
    fn a_huge_length_is_refused_before_it_is_allocated() {
        let bytes = [0xff; 16];
        assert!(matches!(decode::<Vec<u64>>(&bytes), Err(CodecError::Invalid(_))));
        assert!(matches!(decode::<String>(&bytes), Err(CodecError::Invalid(_))));
    }
}
