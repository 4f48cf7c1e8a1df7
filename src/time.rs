//! Times as the ledger writes them: milliseconds since 1970-01-01T00:00:00Z.
//!
//! Parsing for people (RFC 3339 with offset, `2h ago`) and printing stand here; the clock is
//! handed in as a [`Clock`], so that no rule ever reads the machine's.

use std::fmt;
use std::str::FromStr;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use serde::{Serialize, Serializer};

/// Milliseconds UTC since the Unix epoch, from 1970 to 9999-12-30T22:00Z: the last time that jiff
/// can show in every offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Timestamp(i64);

/// One second, minute, hour and day, in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A time that this version cannot hold or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Before 1970 or after [`Timestamp::MAX`].
    #[error("{ms} ms is outside 1970-01-01 to 9999-12-30")]
    OutOfRange {
        /// What was asked for.
        ms: i64,
    },
    /// Neither RFC 3339 nor a span with `ago`.
    #[error(
        "`{text}` is not a time: RFC 3339 with an offset is expected (2026-03-01T09:30:00Z), or a span (2h ago)"
    )]
    Unreadable {
        /// What was given.
        text: String,
    },
}

impl Timestamp {
    /// 9999-12-30T22:00:00Z.
    pub const MAX: Self = Self(253_402_207_200_000);
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// A time from milliseconds since the epoch.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] before 1970 or after [`Timestamp::MAX`].
    pub const fn from_millis(ms: i64) -> Result<Self, TimeError> {
        if ms < 0 || ms > Self::MAX.0 {
            return Err(TimeError::OutOfRange { ms });
        }
        Ok(Self(ms))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time moved by `span_ms` milliseconds, held within the range.
    #[must_use]
    pub fn plus_ms(self, span_ms: i64) -> Self {
        Self(self.0.saturating_add(span_ms).clamp(0, Self::MAX.0))
    }

    /// Milliseconds from `earlier` to this time; negative where `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Reads RFC 3339 with an offset, or a span before `now` such as `2h ago`, `3 days ago`.
    ///
    /// # Errors
    /// [`TimeError`] where the text is neither, or lies outside the range.
    pub fn parse(text: &str, now: Self) -> Result<Self, TimeError> {
        let unreadable = || TimeError::Unreadable { text: text.chars().take(100).collect() };
        let trimmed = text.trim();
        if trimmed == "now" {
            return Ok(now);
        }
        if let Some(span) = trimmed.strip_suffix("ago") {
            let span: jiff::Span = span.trim().parse().map_err(|_| unreadable())?;
            let ms = span_millis(span).ok_or_else(unreadable)?;
            return Self::from_millis(now.0.checked_sub(ms).ok_or_else(unreadable)?);
        }
        let instant: jiff::Timestamp = trimmed.parse().map_err(|_| unreadable())?;
        Self::from_millis(instant.as_millisecond())
    }
}

/// Reads a span such as `10s`, `5m`, `7d` as milliseconds; a day is 24 hours.
///
/// # Errors
/// [`TimeError::Unreadable`] where the text is no span.
pub fn parse_span_ms(text: &str) -> Result<i64, TimeError> {
    let unreadable = || TimeError::Unreadable { text: text.chars().take(100).collect() };
    let span: jiff::Span = text.trim().parse().map_err(|_| unreadable())?;
    span_millis(span).ok_or_else(unreadable)
}

/// A span for people, as [`parse_span_ms`] reads it: `4m 32s`, `2d 6h`. Days are 24 hours; milliseconds are told
/// of spans below a minute.
#[must_use]
pub fn span_text(span_ms: i64) -> String {
    let units = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s"), (1, "ms")];
    let mut left = span_ms.unsigned_abs();
    let mut parts = Vec::new();
    for (unit, name) in units {
        let unit = unit.unsigned_abs();
        let is_told = name != "ms" || span_ms.unsigned_abs() < MINUTE_MS.unsigned_abs();
        if left >= unit && is_told {
            parts.push(format!("{}{name}", left / unit));
        }
        left %= unit;
    }
    if parts.is_empty() {
        parts.push("0s".to_owned());
    }
    format!("{}{}", if span_ms < 0 { "-" } else { "" }, parts.join(" "))
}

fn span_millis(span: jiff::Span) -> Option<i64> {
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let total = span.total((jiff::Unit::Millisecond, days_are_24_hours)).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "jiff bounds a span to about 20,000 years")]
    Some(total as i64)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with milliseconds: `2026-03-01T09:30:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0).expect("the range is jiff's, and narrower");
        write!(f, "{instant:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// RFC 3339 with an offset only.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        match text.parse::<jiff::Timestamp>() {
            Ok(instant) => Self::from_millis(instant.as_millisecond()),
            Err(_) => Err(TimeError::Unreadable { text: text.chars().take(100).collect() }),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<C> Decode<C> for Timestamp {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Self::from_millis(i64::decode(decoder)?).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(Timestamp);

/// Whoever knows what time it is.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let ms = jiff::Timestamp::now().as_millisecond();
        Timestamp(ms.clamp(0, Timestamp::MAX.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_they_are_read() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_500, "1s 500ms"),
            (MINUTE_MS * 4 + SECOND_MS * 32 + 7, "4m 32s"),
            (DAY_MS * 2 + HOUR_MS * 6, "2d 6h"),
            (-HOUR_MS, "-1h"),
        ] {
            assert_eq!(span_text(ms), text);
            let lost = if ms >= MINUTE_MS { ms % SECOND_MS } else { 0 };
            assert_eq!(parse_span_ms(text), Ok(ms - lost), "{text}");
        }
    }

    #[test]
    fn rfc_3339_reads_and_prints() {
        let time: Timestamp = "2026-03-01T10:30:00+01:00".parse().expect("valid");
        assert_eq!(time.to_string(), "2026-03-01T09:30:00.000Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn spans_count_back_from_now() {
        let now = Timestamp::from_millis(10 * DAY_MS).expect("in range");
        assert_eq!(Timestamp::parse("2h ago", now), Ok(now.plus_ms(-2 * HOUR_MS)));
        assert_eq!(Timestamp::parse("3 days ago", now), Ok(now.plus_ms(-3 * DAY_MS)));
        assert!(Timestamp::parse("20 days ago", now).is_err());
        assert!(Timestamp::parse("yesterday", now).is_err());
        assert!(Timestamp::parse("2026-03-01T10:30:00", now).is_err(), "an offset is needed");
    }

    #[test]
    fn decoding_keeps_to_the_range() {
        assert!(crate::codec::decode::<Timestamp>(&(-1i64).to_le_bytes()).is_err());
        assert!(crate::codec::decode::<Timestamp>(&i64::MAX.to_le_bytes()).is_err());
        assert_eq!(crate::codec::decode::<Timestamp>(&0i64.to_le_bytes()), Ok(Timestamp::EPOCH));
    }
}
