//! The report as JSON: [`Contents`] as it stands (docs/schemas/report.schema.json).

use crate::timeline::prose::visible_json;

use super::contents::Contents;

/// The report as one object, indented, ended by a newline. Characters that reorder or steer are escaped: the value is
/// the same.
///
/// # Errors
/// It cannot be written as JSON.
pub fn render(contents: &Contents) -> Result<String, serde_json::Error> {
    let mut text = visible_json(&serde_json::to_string_pretty(contents)?);
    text.push('\n');
    Ok(text)
}
