//! JSON as other systems write it, read into a tree.
//!
//! Stricter than a reader that takes what comes, for what is read here is signed afterwards: a key that stands
//! twice is an error, and so is NaN or an infinity, which Python writes and JSON does not know. Every error
//! names the place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// An object, its keys in order.
pub type Object = BTreeMap<String, Node>;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, finite, as near as a double comes to it.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object.
    Object(Object),
}

/// Why a text is not JSON that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("{place} is not JSON: {reason} (line {line}, column {column})")]
    Syntax {
        /// Where.
        place: String,
        /// What the parser says.
        reason: String,
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1.
        column: usize,
    },
    /// NaN, an infinity, or a number that is as good as one.
    #[error("{place} is not a finite number")]
    NotFinite {
        /// Where.
        place: String,
    },
    /// A key that stands twice: nobody could say which counts.
    #[error("{place} stands twice")]
    Twice {
        /// Where.
        place: String,
    },
}

impl Node {
    /// Reads JSON. What it takes in memory is some forty times the text at most; whoever reads the text bounds
    /// it.
    ///
    /// # Errors
    /// [`JsonError`], naming the place.
    pub fn parse(json: &[u8]) -> Result<Self, JsonError> {
        let trail = Trail::default();
        let mut parser = serde_json::Deserializer::from_slice(json);
        let parsed = Seed(&trail).deserialize(&mut parser).and_then(|node| parser.end().map(|()| node));
        parsed.map_err(|error| trail.told(&error, json))
    }

    /// What kind of value it is, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// The way to an error, innermost step first: noted on the way out.
#[derive(Default)]
struct Trail {
    steps: RefCell<Vec<String>>,
    /// What the innermost object says that it is called, for lists of named things.
    name: RefCell<Option<String>>,
    is_twice: Cell<bool>,
}

impl Trail {
    fn leave(&self, step: String) {
        self.steps.borrow_mut().push(step);
    }

    fn call(&self, name: Option<&Node>) {
        if let Some(Node::Text(name)) = name {
            self.name.borrow_mut().get_or_insert_with(|| name.clone());
        }
    }

    /// The error, with the place where it happened.
    fn told(&self, error: &serde_json::Error, json: &[u8]) -> JsonError {
        let place = self.place();
        if self.is_twice.get() {
            return JsonError::Twice { place };
        }
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
        let (line, column) = (error.line(), error.column());
        if reason.starts_with("number out of range") || is_not_finite(json, line, column) {
            return JsonError::NotFinite { place };
        }
        JsonError::Syntax { place, reason, line, column }
    }

    fn place(&self) -> String {
        let steps: String = self.steps.borrow().iter().rev().map(String::as_str).collect();
        let path = shown(steps.trim_start_matches('.'));
        match self.name.borrow().as_ref() {
            Some(name) => format!("`{path}` (`{}`)", shown(name)),
            None if path.is_empty() => "the text".into(),
            None => format!("`{path}`"),
        }
    }
}

/// As much of a text as an error quotes.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 160;
    let cut: String = text.chars().take(SHOWN_MAX).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

/// Whether what the parser stumbled over is one of the words that Python and JavaScript write for a number
/// that is not finite.
fn is_not_finite(json: &[u8], line: usize, column: usize) -> bool {
    let Some(line) = json.split(|&byte| byte == b'\n').nth(line.saturating_sub(1)) else { return false };
    let starts = column.saturating_sub(3)..(column + 1).min(line.len());
    let words = [&b"NaN"[..], b"nan", b"Inf", b"inf"];
    starts.into_iter().any(|start| words.iter().any(|word| line[start..].starts_with(word)))
}

/// Reads one value, and notes the way to what is wrong in it.
#[derive(Clone, Copy)]
struct Seed<'a>(&'a Trail);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        loop {
            match items.next_element_seed(self) {
                Ok(Some(item)) => list.push(item),
                Ok(None) => return Ok(Node::List(list)),
                Err(error) => {
                    self.0.leave(format!("[{}]", list.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object = Object::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = if object.contains_key(&key) {
                self.0.is_twice.set(true);
                Err(A::Error::custom("a key stands twice"))
            } else {
                entries.next_value_seed(self)
            };
            match value {
                Ok(value) => object.insert(key, value),
                Err(error) => {
                    self.0.leave(format!(".{key}"));
                    self.0.call(object.get("name"));
                    return Err(error);
                }
            };
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let json = br#" {"a": [null, true, -0.0, 18446744073709551615, 1e-7], "b": {"c": "\u00e9"}} "#;
        let Node::Object(object) = Node::parse(json).unwrap() else { panic!("an object") };
        let list = [Node::Null, Node::Bool(true), Node::Number(-0.0), Node::Number(2f64.powi(64))];
        assert_eq!(object["a"], Node::List([&list[..], &[Node::Number(1e-7)]].concat()));
        assert_eq!(object["b"], Node::Object([("c".to_owned(), Node::Text("\u{e9}".into()))].into()));
    }

    #[test]
    fn a_number_is_read_to_its_last_bit() {
        for text in ["0.30000000000000004", "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308"] {
            assert_eq!(Node::parse(text.as_bytes()), Ok(Node::Number(text.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        for (json, told) in [
            (r#"{"a": NaN}"#, "`a` is not a finite number"),
            ("{\"a\": 1,\n \"b\": {\"c\": -Infinity}}", "`b.c` is not a finite number"),
            (r#"{"a":Infinity}"#, "`a` is not a finite number"),
            (r#"{"a": 1e999}"#, "`a` is not a finite number"),
            (r#"{"m": [{"name": "x"}, {"name": "y", "value": NaN}]}"#, "`m[1].value` (`y`) is not a finite"),
            (r#"{"a": 1, "a": 1}"#, "`a` stands twice"),
            (r#"{"g": {"b": 1, "b": 2}}"#, "`g.b` stands twice"),
            (r#"{"a": 1,}"#, "the text is not JSON: trailing comma (line 1, column 9)"),
            (r#"{"a": [1, oops]}"#, "`a[1]` is not JSON: expected value (line 1, column 11)"),
            ("", "the text is not JSON: EOF while parsing a value"),
            ("1 2", "the text is not JSON: trailing characters"),
        ] {
            let told_instead = Node::parse(json.as_bytes()).unwrap_err().to_string();
            assert!(told_instead.starts_with(told), "{json}: {told_instead}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(Node::parse(deep.as_bytes()), Err(JsonError::Syntax { .. })));
        let long = format!("{{\"{}\": NaN}}", "k".repeat(100_000));
        assert!(Node::parse(long.as_bytes()).unwrap_err().to_string().len() < 500);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Node::parse(&bytes);
        }

        /// What two readers take, they take for the same.
        #[test]
        fn serde_json_reads_the_same(text in r#"([\[\]{},:"a0-9.eE+-]|NaN|null|true| ){0,40}"#) {
            if let Ok(node) = Node::parse(text.as_bytes()) {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                prop_assert!(same(&node, &value), "{}", text);
            }
        }
    }

    fn same(node: &Node, value: &serde_json::Value) -> bool {
        match (node, value) {
            (Node::Null, value) => value.is_null(),
            (Node::Bool(a), value) => value.as_bool() == Some(*a),
            (Node::Number(a), value) => value.as_f64() == Some(*a),
            (Node::Text(a), value) => value.as_str() == Some(a),
            (Node::List(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Node::Object(a), serde_json::Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
            }
            _ => false,
        }
    }
}
