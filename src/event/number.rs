//! Measured numbers: finite, with one zero.

use std::fmt;
use std::str::FromStr;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use serde::Serialize;

/// An IEEE 754 double that is neither NaN nor infinite nor −0.0, so that equal numbers have equal
/// bytes and every two can be compared.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Encode, Serialize)]
#[serde(transparent)]
pub struct Finite(f64);

/// A number that cannot be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// NaN or an infinity.
    #[error("{text} is not a finite number")]
    NotFinite {
        /// What was given.
        text: String,
    },
    /// −0.0.
    #[error("-0.0 is not canonical: write 0")]
    NegativeZero,
}

impl Finite {
    /// Takes `value` if it is finite and not −0.0.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn new(value: f64) -> Result<Self, NumberError> {
        if !value.is_finite() {
            return Err(NumberError::NotFinite { text: value.to_string() });
        }
        if value == 0.0 && value.is_sign_negative() {
            return Err(NumberError::NegativeZero);
        }
        Ok(Self(value))
    }

    /// Takes a number as it was measured: −0.0 is taken as 0.
    ///
    /// # Errors
    /// [`NumberError::NotFinite`].
    pub fn measured(value: f64) -> Result<Self, NumberError> {
        Self::new(if value == 0.0 { 0.0 } else { value })
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Eq for Finite {}

impl fmt::Display for Finite {
    /// Exact, and with an exponent where there would be a row of zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 || (1e-6..1e15).contains(&self.0.abs()) {
            fmt::Display::fmt(&self.0, f)
        } else {
            fmt::LowerExp::fmt(&self.0, f)
        }
    }
}

/// As much of a text as an error quotes.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

impl FromStr for Finite {
    type Err = NumberError;

    /// Reads a decimal number; `-0` is taken as 0.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let not_finite = || NumberError::NotFinite { text: format!("`{}`", cut(text)) };
        let value: f64 = text.trim().parse().map_err(|_| not_finite())?;
        Self::measured(value).map_err(|_| not_finite())
    }
}

impl<C> Decode<C> for Finite {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::new(f64::decode(decoder)?).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Finite);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn only_canonical_finite_numbers_decode() {
        assert!(codec::decode::<Finite>(&codec::encode(&0.25f64)).is_ok());
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0] {
            assert!(codec::decode::<Finite>(&codec::encode(&bad)).is_err(), "{bad}");
        }
        assert_eq!("-0".parse::<Finite>().map(Finite::value), Ok(0.0));
        for bad in ["inf", "-Infinity", "NaN", "1e999", "", "31%", "0,5"] {
            let error = bad.parse::<Finite>().expect_err(bad);
            assert_eq!(error.to_string(), format!("`{bad}` is not a finite number"));
        }
    }

    #[test]
    fn numbers_print_short_and_read_back() {
        for text in ["0", "0.31", "-0.000001", "1e-7", "123456", "1e300", "-1.5e15", "0.30000000000000004"] {
            assert_eq!(text.parse::<Finite>().expect("finite").to_string(), text);
        }
    }
}
