//! A table of a policy's text, read key by key, that says where something is wrong.

use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::words::nearest;

use super::PolicyError;

/// The longest span that a policy may say: ten years. What is longer is a slip of the pen.
pub const SPAN_MAX_MS: i64 = 3_650 * DAY_MS;
/// What is wrong at a place of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A key that means nothing there.
    #[error("unknown key `{key}`: {}", instead(.nearest.as_ref(), .known))]
    KeyUnknown {
        /// The key.
        key: String,
        /// The key that was perhaps meant.
        nearest: Option<String>,
        /// The keys that may stand there.
        known: String,
    },
    /// A key that must be there.
    #[error("the key `{key}` is missing")]
    KeyMissing {
        /// The key.
        key: &'static str,
    },
    /// A value of another type.
    #[error("`{key}` is {expected}, not {actual}")]
    WrongType {
        /// The key.
        key: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
        /// What it is.
        actual: String,
    },
    /// A number outside its range.
    #[error("`{key}` is {value}: {min} to {max} are possible")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// The number, as it stands there.
        value: String,
        /// The least allowed.
        min: u32,
        /// The most allowed.
        max: u32,
    },
    /// A text that is no name, pattern or word of its list.
    #[error("`{key}`: {reason}")]
    Unfit {
        /// The key.
        key: &'static str,
        /// Why not.
        reason: String,
    },
    /// A text that is no span.
    #[error("`{key}` is `{value}`: a whole number and s, m, h, d or w is expected, such as `90d` or `24h`")]
    SpanUnreadable {
        /// The key.
        key: &'static str,
        /// The text.
        value: String,
    },
    /// A span of nothing, or beyond ten years.
    #[error("`{key}` is `{value}`: more than nothing, and at most ten years (3650d), are possible")]
    SpanOutOfRange {
        /// The key.
        key: &'static str,
        /// The text.
        value: String,
    },
    /// A list that must hold something.
    #[error("`{key}` is empty: name at least one, or leave the key out")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// A list that holds too much.
    #[error("{actual} stand under `{key}`: at most {max} are possible")]
    TooMany {
        /// The key.
        key: &'static str,
        /// How many.
        actual: usize,
        /// The bound.
        max: usize,
    },
    /// One thing in a list twice.
    #[error("`{item}` stands twice in `{key}`")]
    Twice {
        /// The key.
        key: &'static str,
        /// What stands twice.
        item: String,
    },
    /// An environment or model whose rules never hold.
    #[error("`{name}` never counts: `{earlier}` stands above it, and matches first")]
    NeverCounts {
        /// Its name or pattern.
        name: String,
        /// The one above.
        earlier: String,
    },
    /// `after` names what does not stand above.
    #[error("it comes after `{after}`, which does not stand above it in the policy")]
    AfterUnknown {
        /// The environment that is named.
        after: String,
    },
    /// `served_for` where nothing comes before.
    #[error("`served_for` needs `after`: the environments where a version must have served that long")]
    ServedNowhere,
}

fn instead(nearest: Option<&String>, known: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("one of {known} is expected"),
    }
}

/// A table of the text, and where it stands.
#[derive(Clone)]
pub(super) struct Section<'a> {
    text: &'a str,
    table: &'a DeTable<'a>,
    /// The table as people write and name it.
    place: String,
    /// Where the table stands in the text.
    span: Range<usize>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Section<'a> {
    /// The whole text.
    pub(super) fn root(text: &'a str, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self { text, table: table.get_ref(), place: "at the top level".into(), span: 0..0 }
    }

    /// The same table under another name.
    pub(super) fn named(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// A fault of the table itself.
    pub(super) fn fault(&self, fault: Fault) -> PolicyError {
        self.fault_at(self.span.start, fault)
    }

    /// A fault of what stands under `key`, or of the table where the key is not there.
    pub(super) fn fault_of(&self, key: &'static str, fault: Fault) -> PolicyError {
        let start = self.value(key).map_or(self.span.start, |value| value.span().start);
        self.fault_at(start, fault)
    }

    fn fault_at(&self, offset: usize, fault: Fault) -> PolicyError {
        let line = 1 + self.text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
        PolicyError::At { line, place: self.place.clone(), fault }
    }

    /// No key stands here but those in `known`; the first other one is named.
    pub(super) fn only(&self, known: &[&'static str]) -> Result<(), PolicyError> {
        let unknown = self.table.keys().filter(|key| !known.contains(&&**key.get_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let nearest = nearest(key.get_ref(), known.iter().copied()).map(str::to_owned);
        let start = key.span().start;
        let (key, known) = (shown(key.get_ref()), known.join(", "));
        Err(self.fault_at(start, Fault::KeyUnknown { key, nearest, known }))
    }

    /// `found`, where `key` must be there.
    pub(super) fn required<T>(&self, key: &'static str, found: Option<T>) -> Result<T, PolicyError> {
        found.ok_or_else(|| self.fault(Fault::KeyMissing { key }))
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.table.get(key)
    }

    fn wrong_type(&self, key: &'static str, value: Value<'_>, expected: &'static str) -> PolicyError {
        let actual = value.get_ref().type_str().to_owned();
        self.fault_at(value.span().start, Fault::WrongType { key, expected, actual })
    }

    /// A number from `min` to `max`.
    pub(super) fn number(&self, key: &'static str, min: u32, max: u32) -> Result<Option<u32>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let DeValue::Integer(integer) = value.get_ref() else {
            return Err(self.wrong_type(key, value, "a whole number"));
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        match number.filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let value_shown = shown(&integer.to_string());
                let fault = Fault::OutOfRange { key, value: value_shown, min, max };
                Err(self.fault_at(value.span().start, fault))
            }
        }
    }

    /// True or false.
    pub(super) fn flag(&self, key: &'static str) -> Result<Option<bool>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, value, "true or false"))
    }

    /// Whether `key` says `false`.
    pub(super) fn denies(&self, key: &str) -> bool {
        self.value(key).is_some_and(|value| value.get_ref().as_bool() == Some(false))
    }

    /// A text that reads as a `T`.
    pub(super) fn text<T: FromStr<Err: ToString>>(
        &self,
        key: &'static str,
    ) -> Result<Option<T>, PolicyError> {
        self.value(key).map(|value| self.text_in(key, value)).transpose()
    }

    fn text_in<T: FromStr<Err: ToString>>(
        &self,
        key: &'static str,
        value: Value<'_>,
    ) -> Result<T, PolicyError> {
        let Some(text) = value.get_ref().as_str() else {
            return Err(self.wrong_type(key, value, "a text"));
        };
        let unfit = |error: T::Err| Fault::Unfit { key, reason: error.to_string() };
        text.parse().map_err(|error| self.fault_at(value.span().start, unfit(error)))
    }

    /// A list of at most `max` texts, each of which reads as a `T` and stands there once.
    pub(super) fn texts<T: FromStr<Err: ToString> + PartialEq + ToString>(
        &self,
        key: &'static str,
        max: usize,
    ) -> Result<Option<Vec<T>>, PolicyError> {
        let Some(values) = self.list(key, "a list of texts", max)? else { return Ok(None) };
        let mut texts: Vec<T> = Vec::new();
        for value in values {
            let text = self.text_in(key, value)?;
            if texts.contains(&text) {
                let item = text.to_string();
                return Err(self.fault_at(value.span().start, Fault::Twice { key, item }));
            }
            texts.push(text);
        }
        Ok(Some(texts))
    }

    /// A span in milliseconds: more than nothing, at most ten years.
    pub(super) fn span(&self, key: &'static str) -> Result<Option<i64>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let Some(text) = value.get_ref().as_str() else {
            return Err(self.wrong_type(key, value, "a text such as `24h`"));
        };
        let fault = match span_ms(text) {
            Some(ms) if (1..=SPAN_MAX_MS).contains(&ms) => return Ok(Some(ms)),
            Some(_) => Fault::SpanOutOfRange { key, value: shown(text) },
            None => Fault::SpanUnreadable { key, value: shown(text) },
        };
        Err(self.fault_at(value.span().start, fault))
    }

    /// The table under `key`, which is named `place`.
    pub(super) fn section(&self, key: &'static str, place: String) -> Result<Option<Self>, PolicyError> {
        self.value(key).map(|value| self.section_in(key, value, place)).transpose()
    }

    /// The tables of the list under `key`, at most `max`; each is named `place`.
    pub(super) fn sections(
        &self,
        key: &'static str,
        max: usize,
        place: &str,
    ) -> Result<Option<Vec<Self>>, PolicyError> {
        let Some(values) = self.list(key, "a list of tables", max)? else { return Ok(None) };
        values
            .iter()
            .map(|value| self.section_in(key, value, place.to_owned()))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn section_in(&self, key: &'static str, value: Value<'a>, place: String) -> Result<Self, PolicyError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(Self { text: self.text, table, place, span: value.span() }),
            _ => Err(self.wrong_type(key, value, "a table")),
        }
    }

    fn list(
        &self,
        key: &'static str,
        expected: &'static str,
        max: usize,
    ) -> Result<Option<&'a [Spanned<DeValue<'a>>]>, PolicyError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let DeValue::Array(list) = value.get_ref() else {
            return Err(self.wrong_type(key, value, expected));
        };
        if list.len() > max {
            return Err(self.fault_at(value.span().start, Fault::TooMany { key, actual: list.len(), max }));
        }
        Ok(Some(list))
    }
}

/// What is quoted of a text in a message.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// A whole number and its unit: s, m, h, d of 24 hours, or w of 7 days.
fn span_ms(text: &str) -> Option<i64> {
    let unit_ms = match text.bytes().last()? {
        b's' => SECOND_MS,
        b'm' => MINUTE_MS,
        b'h' => HOUR_MS,
        b'd' => DAY_MS,
        b'w' => 7 * DAY_MS,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<i64>().ok()?.saturating_mul(unit_ms))
}

/// A span as a policy says it, in the largest unit of which it is two or more, or else the next.
#[must_use]
pub fn span_as_said(ms: i64) -> String {
    let units = [(DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")];
    let divides = |unit_ms: i64| ms % unit_ms == 0 && (ms > unit_ms || unit_ms == SECOND_MS);
    match units.into_iter().find(|(unit_ms, _)| divides(*unit_ms)) {
        Some((unit_ms, unit)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, ms) in [
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("24h", Some(86_400_000)),
            ("2w", Some(1_209_600_000)),
            ("0d", Some(0)),
            ("999999999999999999d", Some(i64::MAX)),
            ("9999999999999999999d", None),
            ("-5m", None),
            ("+5m", None),
            ("5 m", None),
            ("5", None),
            ("m", None),
            ("", None),
            ("1h30m", None),
            ("5µ", None),
        ] {
            assert_eq!(span_ms(text), ms, "{text}");
        }
    }

    #[test]
    fn spans_print_as_they_are_read() {
        for text in ["1s", "90s", "5m", "24h", "25h", "90d"] {
            assert_eq!(span_as_said(span_ms(text).expect("a span")), text);
        }
        assert_eq!(span_as_said(span_ms("48h").expect("a span")), "2d");
    }
}
