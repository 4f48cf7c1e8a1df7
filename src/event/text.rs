//! Names and texts with their bounds (docs/format.md, "Names and texts").

use std::fmt;
use std::str::FromStr;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use serde::Serialize;

/// The longest name, in bytes. Names are shown in tables and typed by people.
pub const NAME_BYTES_MAX: usize = 256;
/// The longest note or reason, in bytes: two printed pages.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// The longest policy text, in bytes, so that `policy.set` fits an event with room to spare.
pub const POLICY_BYTES_MAX: usize = 16 * 1024;
/// The longest environment name, in bytes: it names directories and labels elsewhere.
pub const ENVIRONMENT_BYTES_MAX: usize = 64;

/// Why a text is not the name or note that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// What kind of text.
        what: &'static str,
    },
    /// Over the bound.
    #[error("{what} is {actual} bytes long, at most {max} are allowed")]
    TooLong {
        /// What kind of text.
        what: &'static str,
        /// Its length in bytes.
        actual: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// A control, bidirectional or otherwise excluded character.
    #[error("{what} holds the character U+{character:04X}, which is not allowed there")]
    Character {
        /// What kind of text.
        what: &'static str,
        /// The character's code point.
        character: u32,
    },
}

/// Says whether a character reorders the text around it or breaks lines (Unicode bidi controls,
/// line and paragraph separator): a name with one could show as another name.
#[must_use]
pub const fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty { what });
    }
    if text.len() > max {
        return Err(TextError::TooLong { what, actual: text.len(), max });
    }
    Ok(())
}

fn check_name(what: &'static str, text: &str) -> Result<(), TextError> {
    check_length(what, text, NAME_BYTES_MAX)?;
    match text.chars().find(|&c| c.is_control() || is_deceptive(c)) {
        Some(character) => Err(TextError::Character { what, character: character.into() }),
        None => Ok(()),
    }
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), TextError> {
    check_length(what, text, max)?;
    match text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        Some(character) => Err(TextError::Character { what, character: character.into() }),
        None => Ok(()),
    }
}

fn check_environment(what: &'static str, text: &str) -> Result<(), TextError> {
    check_length(what, text, ENVIRONMENT_BYTES_MAX)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    match text.chars().find(|&c| !allowed(c)) {
        Some(character) => Err(TextError::Character { what, character: character.into() }),
        None => Ok(()),
    }
}

/// Defines a checked text: a `String` that passed `$check` on every way in.
macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` if it is allowed.
            ///
            /// # Errors
            /// [`TextError`] saying which bound or character is at fault.
            pub fn new(text: impl Into<String>) -> Result<Self, TextError> {
                let text = text.into();
                ($check)($what, &text)?;
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl<C> Decode<C> for $name {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                Self::new(String::decode(decoder)?).map_err(|error| DecodeError::OtherString(error.to_string()))
            }
        }

        bincode::impl_borrow_decode!($name);
    };
}

checked_text! {
    /// A name: 1 to 256 bytes of UTF-8 without control, bidirectional or line-breaking characters.
    /// Compared byte for byte.
    Name, "a name", check_name
}
checked_text! {
    /// The name of an environment: `[a-z0-9._-]{1,64}`.
    EnvironmentName, "an environment name", check_environment
}
checked_text! {
    /// A reason, note or summary: 1 byte to 8 KiB of UTF-8; of the control characters only line
    /// feed and tab.
    Text, "a text", |what, text: &str| check_text(what, text, TEXT_BYTES_MAX)
}
checked_text! {
    /// The text of a release policy: 1 byte to 16 KiB of UTF-8; of the control characters only
    /// line feed and tab.
    PolicyText, "a policy text", |what, text: &str| check_text(what, text, POLICY_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn names_keep_to_their_bounds() {
        assert!(Name::new("credit/scorer-ü").is_ok());
        assert!(Name::new("x".repeat(256)).is_ok());
        assert!(matches!(Name::new("x".repeat(257)), Err(TextError::TooLong { actual: 257, .. })));
        assert!(matches!(Name::new(""), Err(TextError::Empty { .. })));
        for bad in ["a\nb", "a\u{7f}", "\u{85}", "a\u{202e}b", "\u{2066}", "\u{2028}", "\u{200f}"] {
            assert!(matches!(Name::new(bad), Err(TextError::Character { .. })), "{bad:?}");
        }
    }

    #[test]
    fn environments_are_lower_case_labels() {
        assert!(EnvironmentName::new("eu-west.prod_1").is_ok());
        for bad in ["Prod", "a b", "a/b", "ä", ""] {
            assert!(EnvironmentName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_may_hold_lines_but_no_other_control() {
        assert!(Text::new("line\n\tline").is_ok());
        assert!(Text::new("bell\u{7}").is_err());
        assert!(Text::new("x".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn decoding_checks_what_construction_checks() {
        assert!(codec::decode::<Name>(&codec::encode(&String::from("a\nb"))).is_err());
        assert!(codec::decode::<Name>(&codec::encode(&"x".repeat(257))).is_err());
        let not_utf8 = [1, 0, 0, 0, 0, 0, 0, 0, 0xff];
        assert_eq!(
            codec::decode::<Name>(&not_utf8),
            Err(codec::CodecError::Invalid("text is not UTF-8".into()))
        );
    }
}
