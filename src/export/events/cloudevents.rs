//! `CloudEvents` 1.0 in JSON (its "JSON Event Format").
//!
//! The type is the kind under the project's name, the source the ledger, the data our own object. What leads back to
//! proof stands in extension attributes too, for those who route without reading data: their names are lower-case
//! letters (section "Naming Conventions"), their values strings, for the specification's integers end at 2^31.

use serde_json::{Value, json};

use super::told::Told;
use super::uri;

/// The entry.
#[must_use]
pub fn object(told: &Told<'_>) -> Value {
    let Told { ledger, entry, .. } = told;
    let mut event = json!({
        "specversion": "1.0",
        "id": told.id(),
        "source": uri::ledger(&ledger.origin),
        "type": format!("dev.rollbook.{}.v1", entry.event.kind()),
        "time": entry.recorded_at,
        "datacontenttype": "application/json",
        "data": told.entry_json(),
        "rollbookorigin": attribute(ledger.origin.as_str()),
        "rollbookledgerid": ledger.id,
        "rollbookindex": entry.index.to_string(),
        "rollbookleafhash": entry.leaf_hash,
    });
    if let Some(subject) = subject(told) {
        event["subject"] = json!(subject);
    }
    event
}

/// Where, and of which model: `production/scorer`, `production`, or `*/scorer` for a model as such. An environment's
/// name holds no slash, so what stands before the first one is it.
fn subject(told: &Told<'_>) -> Option<String> {
    let environment = told.environment().map(ToString::to_string);
    match (environment, told.model) {
        (Some(environment), Some(model)) => Some(format!("{environment}/{}", attribute(model.as_str()))),
        (Some(environment), None) => Some(environment),
        (None, Some(model)) => Some(format!("*/{}", attribute(model.as_str()))),
        (None, None) => None,
    }
}

/// A text as an attribute's value may hold it: Unicode's noncharacters and control characters are excluded (section
/// "Type System").
fn attribute(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_noncharacter(c) { '\u{fffd}' } else { c }).collect()
}

const fn is_noncharacter(c: char) -> bool {
    let code = c as u32;
    code & 0xfffe == 0xfffe || matches!(code, 0xfdd0..=0xfdef)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_holds_no_noncharacter() {
        assert_eq!(attribute("a\u{fffe}b\u{10ffff}c\u{fdd0}d\u{1}"), "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}");
        assert_eq!(attribute("模型 <b>"), "模型 <b>");
    }
}
