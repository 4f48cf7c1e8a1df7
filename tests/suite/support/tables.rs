//! A reader of the byte format that knows nothing but the tables of docs/format.md.
//!
//! It shares no code with the crate's own decoding, so that what it reads shows that the page says enough.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::vectors::repository_file;

/// The structs and enums of docs/format.md, by name.
pub(crate) struct Tables(BTreeMap<String, Shape>);

enum Shape {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

struct Field {
    name: String,
    of: String,
}

struct Variant {
    number: u32,
    word: String,
    carries: Vec<Field>,
}

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The `u64` before bytes or items.
    Length,
    /// The byte of an option or the number of an enum.
    Tag,
    /// The rest.
    Value,
}

/// Bytes that belong together, as they follow one another.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Which bytes.
    pub(crate) range: Range<usize>,
    /// The fields that lead there: `body.infra.tag.name`, `header.attachments[1].size`.
    pub(crate) path: String,
    /// What they are.
    pub(crate) part: Part,
    /// What they say, for people.
    pub(crate) says: String,
}

/// Bytes taken apart.
pub(crate) struct Walked {
    /// All of them, in order.
    pub(crate) pieces: Vec<Piece>,
    /// The JSON form.
    pub(crate) json: Value,
}

impl Walked {
    /// The bytes of the field at `path` and all that it holds.
    pub(crate) fn span(&self, path: &str) -> Range<usize> {
        let inside = |piece: &&Piece| {
            piece.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut pieces = self.pieces.iter().filter(inside);
        let first = pieces.next().unwrap_or_else(|| panic!("there is no {path}"));
        first.range.start..pieces.next_back().unwrap_or(first).range.end
    }
}

/// The text of docs/format.md.
pub(crate) fn page() -> String {
    fs::read_to_string(repository_file("docs/format.md")).unwrap()
}

impl Tables {
    /// Reads them from the page.
    pub(crate) fn read() -> Self {
        let mut shapes = BTreeMap::new();
        let mut name = None;
        for line in page().lines() {
            if line.starts_with('#') {
                name = line.strip_prefix("### ").and_then(|title| quoted(title).pop());
            } else if line == "| field | type | what |" {
                shapes.insert(name.clone().expect("a heading"), Shape::Struct(Vec::new()));
            } else if line == "| number | word | carries |" {
                shapes.insert(name.clone().expect("a heading"), Shape::Enum(Vec::new()));
            } else if let (Some(row), Some(name)) = (line.strip_prefix("| "), &name)
                && let Some(shape) = shapes.get_mut(name)
            {
                shape.add_row(&row.split(" | ").map(str::trim).collect::<Vec<_>>());
            }
        }
        Self(shapes)
    }

    /// The words of the enum `name`, in the order of their numbers.
    pub(crate) fn words(&self, name: &str) -> Vec<&str> {
        let Some(Shape::Enum(variants)) = self.0.get(name) else { panic!("{name} is no enum of the page") };
        assert!(variants.iter().map(|variant| variant.number).eq((0..).take(variants.len())), "{name}");
        variants.iter().map(|variant| variant.word.as_str()).collect()
    }

    /// Takes `bytes` apart as one `of`, all of them.
    pub(crate) fn walk(&self, of: &str, bytes: &[u8]) -> Walked {
        let mut walk = Walk { tables: self, bytes, at: 0, pieces: Vec::new() };
        let json = walk.read("", of);
        assert_eq!(walk.at, bytes.len(), "bytes are left over");
        Walked { pieces: walk.pieces, json }
    }
}

impl Shape {
    fn add_row(&mut self, cells: &[&str]) {
        match self {
            Self::Struct(fields) => {
                fields.push(Field { name: cells[0].to_owned(), of: quoted(cells[1]).remove(0) });
            }
            Self::Enum(variants) => variants.push(Variant {
                number: cells[0].parse().unwrap(),
                word: quoted(cells[1]).remove(0),
                carries: quoted(cells[2])
                    .chunks(2)
                    .map(|pair| Field { name: pair[0].clone(), of: pair[1].clone() })
                    .collect(),
            }),
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

struct Walk<'a> {
    tables: &'a Tables,
    bytes: &'a [u8],
    at: usize,
    pieces: Vec<Piece>,
}

impl Walk<'_> {
    fn read(&mut self, path: &str, of: &str) -> Value {
        if let Some(inner) = inner_of(of, "option<") {
            return self.read_option(path, inner);
        }
        if let Some(inner) = inner_of(of, "list<") {
            return self.read_list(path, inner);
        }
        match of {
            "u32" => self.value(path, 4, |bytes| json!(little_endian(bytes))),
            "u64" => self.value(path, 8, |bytes| json!(little_endian(bytes))),
            "time" => self.value(path, 8, |bytes| json!(rfc_3339(little_endian(bytes)))),
            "number" => self.value(path, 8, |bytes| json!(f64::from_le_bytes(bytes.try_into().unwrap()))),
            "bool" => self.value(path, 1, |bytes| json!([false, true][bytes[0] as usize])),
            "[16]" => self.value(path, 16, |bytes| json!(uuid::Uuid::from_slice(bytes).unwrap().to_string())),
            "[20]" => self.value(path, 20, hex_text),
            "[32]" | "hash" | "key" => self.value(path, 32, hex_text),
            "[48]" => self.value(path, 48, hex_text),
            "[64]" | "signature" => self.value(path, 64, hex_text),
            "name" | "environment" | "text" | "policy text" | "glob" => {
                let length = self.length(path, "bytes");
                self.value(path, length, |bytes| json!(std::str::from_utf8(bytes).unwrap()))
            }
            "bytes" => {
                let length = self.length(path, "bytes");
                self.value(path, length, |bytes| match std::str::from_utf8(bytes) {
                    Ok(text) => json!(text),
                    Err(_) => json!(format!("hex:{}", hex::encode(bytes))),
                })
            }
            named => self.read_named(path, named),
        }
    }

    fn read_named(&mut self, path: &str, of: &str) -> Value {
        let shape = self.tables.0.get(of).unwrap_or_else(|| panic!("the page has no `{of}`"));
        match shape {
            Shape::Struct(fields) => {
                let mut json = self.read_fields(path, fields);
                match of {
                    "object bytes" => json["bytes"].take(),
                    "event" => flattened(json),
                    _ => json,
                }
            }
            Shape::Enum(variants) => self.read_enum(path, of, variants),
        }
    }

    fn read_fields(&mut self, path: &str, fields: &[Field]) -> Value {
        let read = |field: &Field| (field.name.clone(), self.read(&joined(path, &field.name), &field.of));
        Value::Object(fields.iter().map(read).collect::<Map<_, _>>())
    }

    fn read_enum(&mut self, path: &str, of: &str, variants: &[Variant]) -> Value {
        let tag = self.take(4);
        let number = little_endian(&self.bytes[tag.clone()]);
        let variant =
            variants.iter().find(|variant| u64::from(variant.number) == number).expect("a known number");
        self.push(tag, path, Part::Tag, variant.word.clone());
        if of == "body" {
            return json!({ "kind": variant.word, "body": self.read_named(path, &variant.carries[0].of) });
        }
        let carried = self.read_fields(path, &variant.carries);
        match of {
            "foreign digest" => json!(format!("{}:{}", variant.word, carried["digest"].as_str().unwrap())),
            "git id" => carried["id"].clone(),
            _ if variant.carries.is_empty() => json!(variant.word),
            _ => json!({ &variant.word: carried }),
        }
    }

    fn read_option(&mut self, path: &str, inner: &str) -> Value {
        let tag = self.take(1);
        let present = [false, true][self.bytes[tag.start] as usize];
        self.push(tag, path, Part::Tag, if present { "present" } else { "nothing" }.to_owned());
        if present { self.read(path, inner) } else { Value::Null }
    }

    fn read_list(&mut self, path: &str, inner: &str) -> Value {
        let count = self.length(path, "items");
        (0..count).map(|place| self.read(&format!("{path}[{place}]"), inner)).collect()
    }

    fn length(&mut self, path: &str, unit: &str) -> usize {
        let range = self.take(8);
        let length = little_endian(&self.bytes[range.clone()]);
        self.push(range, path, Part::Length, format!("{length} {unit}"));
        usize::try_from(length).unwrap()
    }

    fn value(&mut self, path: &str, count: usize, json: impl Fn(&[u8]) -> Value) -> Value {
        let range = self.take(count);
        let value = json(&self.bytes[range.clone()]);
        let says = match &value {
            Value::String(text) if text.len() == 2 * count => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.push(range, path, Part::Value, says);
        value
    }

    fn take(&mut self, count: usize) -> Range<usize> {
        let range = self.at..self.at + count;
        assert!(range.end <= self.bytes.len(), "the bytes end too early");
        self.at = range.end;
        range
    }

    fn push(&mut self, range: Range<usize>, path: &str, part: Part, says: String) {
        self.pieces.push(Piece { range, path: path.to_owned(), part, says });
    }
}

fn inner_of<'a>(of: &'a str, opening: &str) -> Option<&'a str> {
    of.strip_prefix(opening)?.strip_suffix('>')
}

fn joined(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// An event's JSON: kind and body stand beside the header.
fn flattened(mut event: Value) -> Value {
    let mut body = event["body"].take();
    json!({ "header": event["header"].take(), "kind": body["kind"].take(), "body": body["body"].take() })
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn rfc_3339(ms: u64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap()).unwrap())
}

fn hex_text(bytes: &[u8]) -> Value {
    json!(hex::encode(bytes))
}
