//! What the payloads of other systems have in common: bounded JSON, fields by their path, and the fault that names
//! the field.
//!
//! A payload is either *unfit* (no such payload, or a field that lacks or cannot be understood), or it is understood
//! and there is *nothing to record* in it: an alias that stands for no environment, a deployment that is not over.

use std::fmt::Display;
use std::str::FromStr;

use crate::event::infra::GitId;
use crate::linkage::json::{JsonError, Node, shown};

/// The largest payload, in bytes: more than etcd holds of an Argo CD Application (1.5 MiB), and many times what
/// the webhooks send that are read here.
pub const PAYLOAD_BYTES_MAX: usize = 2 << 20;

/// Why a payload becomes no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Over [`PAYLOAD_BYTES_MAX`].
    #[error("it has {bytes} bytes, at most {PAYLOAD_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A field is missing or cannot be understood.
    #[error("{field} {reason}")]
    Unfit {
        /// The field, by its path.
        field: String,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// A name of the sender's for an environment, that is none of the ledger's.
    #[error("{field} is `{name}`, which the ledger calls otherwise: {reason}")]
    Unmapped {
        /// The field, by its path.
        field: String,
        /// What stands there.
        name: String,
        /// Why it is no environment of the ledger's.
        reason: String,
    },
    /// The payload is understood, and is nothing to record.
    #[error("{field} {reason}")]
    Nothing {
        /// The field that says so, by its path.
        field: String,
        /// Why.
        reason: String,
    },
}

/// Reads a payload.
///
/// # Errors
/// It is too large, or not JSON.
pub fn parse(json: &[u8]) -> Result<Node, PayloadError> {
    if json.len() > PAYLOAD_BYTES_MAX {
        return Err(PayloadError::TooLarge { bytes: json.len() });
    }
    Ok(Node::parse(json)?)
}

/// A place in a payload, where a value may stand.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    path: String,
    node: Option<&'a Node>,
}

impl<'a> Field<'a> {
    /// The whole payload.
    #[must_use]
    pub const fn root(node: &'a Node) -> Self {
        Self { path: String::new(), node: Some(node) }
    }

    /// The field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Self {
        let node = match self.node {
            Some(Node::Object(object)) => object.get(name),
            _ => None,
        };
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let step = if is_plain { format!(".{name}") } else { format!("[\"{name}\"]") };
        let path = format!("{}{step}", self.path).trim_start_matches('.').to_owned();
        Self { path, node }
    }

    /// The fields of these names, one below the other.
    #[must_use]
    pub fn down(&self, names: &[&str]) -> Self {
        names.iter().fold(self.clone(), |field, name| field.get(name))
    }

    /// The value; none where it is missing or null.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.node.filter(|node| **node != Node::Null)
    }

    /// Whether nothing stands there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.node().is_none()
    }

    /// A text.
    ///
    /// # Errors
    /// It is missing, or something else.
    pub fn text(&self) -> Result<&'a str, PayloadError> {
        self.maybe_text()?.ok_or_else(|| self.missing("a text"))
    }

    /// A text, where one stands there that is not empty.
    ///
    /// # Errors
    /// It is something else.
    pub fn maybe_text(&self) -> Result<Option<&'a str>, PayloadError> {
        match self.node() {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(node) => Err(self.unlike(node, "a text")),
        }
    }

    /// A text that stands for `what`.
    ///
    /// # Errors
    /// It is missing, or cannot be understood.
    pub fn read<T: FromStr<Err: Display>>(&self, what: &str) -> Result<T, PayloadError> {
        self.maybe_read(what)?.ok_or_else(|| self.missing(what))
    }

    /// A text that stands for `what`, where one is there.
    ///
    /// # Errors
    /// It cannot be understood.
    pub fn maybe_read<T: FromStr<Err: Display>>(&self, what: &str) -> Result<Option<T>, PayloadError> {
        let Some(text) = self.maybe_text()? else { return Ok(None) };
        text.parse().map(Some).map_err(|error| self.unfit(format!("is not {what}: {error}")))
    }

    /// A whole number, such as an id.
    ///
    /// # Errors
    /// It is missing, or no whole number that a double holds exactly.
    pub fn id(&self) -> Result<u64, PayloadError> {
        const WHAT: &str = "a whole number";
        /// Above it, doubles skip whole numbers, and two ids would look alike.
        const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
        match self.node() {
            None => Err(self.missing(WHAT)),
            Some(Node::Number(number)) if number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(number) =>
            {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
                Ok(*number as u64)
            }
            Some(Node::Number(number)) => Err(self.unfit(format!("is {number}: expected {WHAT}"))),
            Some(node) => Err(self.unlike(node, WHAT)),
        }
    }

    /// A Git commit's id.
    ///
    /// # Errors
    /// It is missing, or not 40 or 64 hex digits.
    pub fn commit(&self) -> Result<GitId, PayloadError> {
        const WHAT: &str = "a Git commit of 40 or 64 hex digits";
        let text = self.text().map_err(|error| match error {
            PayloadError::Unfit { .. } if self.is_missing() => self.missing(WHAT),
            error => error,
        })?;
        commit_id(text).ok_or_else(|| self.unfit(format!("is `{}`: expected {WHAT}", shown(text))))
    }

    /// The items of a list; none where it is missing.
    ///
    /// # Errors
    /// It is something else.
    pub fn items(&self) -> Result<Vec<Self>, PayloadError> {
        match self.node() {
            None => Ok(Vec::new()),
            Some(Node::List(list)) => {
                let item = |(at, node)| Self { path: format!("{}[{at}]", self.path), node: Some(node) };
                Ok(list.iter().enumerate().map(item).collect())
            }
            Some(node) => Err(self.unlike(node, "a list")),
        }
    }

    /// That something needed does not stand there.
    #[must_use]
    pub fn missing(&self, expected: &str) -> PayloadError {
        self.unfit(format!("is missing: expected {expected}"))
    }

    /// That what stands there cannot be understood.
    #[must_use]
    pub fn unfit(&self, reason: impl Into<String>) -> PayloadError {
        PayloadError::Unfit { field: self.name(), reason: reason.into() }
    }

    /// That what stands there is understood, and nothing to record.
    #[must_use]
    pub fn nothing(&self, reason: impl Into<String>) -> PayloadError {
        PayloadError::Nothing { field: self.name(), reason: reason.into() }
    }

    /// That a word stands there that is none of those that are known.
    #[must_use]
    pub fn unknown(&self, word: &str, known: &[&str]) -> PayloadError {
        self.nothing(format!("is `{}`: expected {}", shown(word), known.join(" or ")))
    }

    /// How errors call the place.
    #[must_use]
    pub fn name(&self) -> String {
        if self.path.is_empty() { "the payload".into() } else { format!("`{}`", shown(&self.path)) }
    }

    fn unlike(&self, node: &Node, expected: &str) -> PayloadError {
        self.unfit(format!("is {}: expected {expected}", node.kind()))
    }
}

/// The commit of that hex text.
#[must_use]
pub fn commit_id(hex: &str) -> Option<GitId> {
    GitId::from_slice(&hex::decode(hex).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::text::EnvironmentName;
    use crate::time::Timestamp;

    const PAYLOAD: &str = r#"{"a": {"text": "production", "empty": "", "null": null, "number": 7, "part": 0.5, "large": 9007199254740993,
        "labels": {"rollbook.dev/env": "staging"}, "list": [{"id": 1}, {"id": "x"}], "sha": "0123456789012345678901234567890123456789"}}"#;

    fn told<T: std::fmt::Debug>(result: Result<T, PayloadError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn what_stands_there_is_read() {
        let node = parse(PAYLOAD.as_bytes()).unwrap();
        let a = Field::root(&node).get("a");
        assert_eq!(a.get("text").text(), Ok("production"));
        assert_eq!(a.get("text").read::<EnvironmentName>("an environment").unwrap().as_str(), "production");
        assert_eq!((a.get("empty").maybe_text(), a.get("null").maybe_text()), (Ok(None), Ok(None)));
        assert_eq!((a.get("number").id(), a.get("list").items().unwrap()[0].get("id").id()), (Ok(7), Ok(1)));
        assert_eq!(a.down(&["labels", "rollbook.dev/env"]).text(), Ok("staging"));
        assert_eq!(a.get("sha").commit().unwrap().as_slice().len(), 20);
        assert!(a.get("none").items().unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_field_and_what_was_expected() {
        let node = parse(PAYLOAD.as_bytes()).unwrap();
        let a = Field::root(&node).get("a");
        for (error, expected) in [
            (told(a.get("none").text()), "`a.none` is missing: expected a text"),
            (told(a.get("empty").text()), "`a.empty` is missing: expected a text"),
            (told(a.get("null").text()), "`a.null` is missing: expected a text"),
            (told(a.get("number").text()), "`a.number` is a number: expected a text"),
            (told(a.get("text").down(&["b", "c"]).text()), "`a.text.b.c` is missing: expected a text"),
            (told(a.down(&["labels", "x/y"]).text()), "`a.labels[\"x/y\"]` is missing: expected a text"),
            (told(a.get("text").read::<Timestamp>("a time")), "`a.text` is not a time: "),
            (told(a.get("none").read::<Timestamp>("a time")), "`a.none` is missing: expected a time"),
            (told(a.get("text").id()), "`a.text` is a text: expected a whole number"),
            (told(a.get("part").id()), "`a.part` is 0.5: expected a whole number"),
            (told(a.get("large").id()), "`a.large` is 9007199254740992: expected a whole number"),
            (told(a.get("text").commit()), "`a.text` is `production`: expected a Git commit of 40 or 64"),
            (told(a.get("none").commit()), "`a.none` is missing: expected a Git commit of 40 or 64"),
            (told(a.get("number").commit()), "`a.number` is a number: expected a text"),
            (told(a.get("labels").items()), "`a.labels` is an object: expected a list"),
            (
                told(a.get("list").items().unwrap()[1].get("id").id()),
                "`a.list[1].id` is a text: expected a whole number",
            ),
            (told(Field::root(&node).text()), "the payload is an object: expected a text"),
        ] {
            assert!(error.starts_with(expected), "{error}: {expected}");
        }
        assert!(told(parse(&vec![b' '; PAYLOAD_BYTES_MAX + 1])).contains("it has 2097153 bytes"));
        assert!(told(parse(b"[")).contains("is not JSON"));
    }

    proptest! {
        #[test]
        fn errors_stay_short(name in "\\PC{0,2000}", text in "\\PC{0,2000}") {
            let node = Node::Object([(name.clone(), Node::Text(text))].into());
            let field = Field::root(&node).get(&name);
            if let Err(error) = field.commit() {
                prop_assert!(error.to_string().chars().count() < 500, "{}", error);
            }
            let unknown = field.unknown(&name, &["a"]).to_string();
            prop_assert!(unknown.chars().count() < 500, "{}", unknown);
        }
    }
}
