//! The tables of our own pages (docs/), read strictly, and their Markdown as plain text for a terminal.
//!
//! What a table is: a line of cells between `|`, a line of `---` of the same width, and lines of the same width up to
//! the first that begins otherwise. Blocks of code hold none.

/// A table of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<'a> {
    /// The heading that it stands under, without the `#`.
    pub section: &'a str,
    /// What the columns are called.
    pub columns: Vec<&'a str>,
    /// The rows, each as wide as the columns; Markdown.
    pub rows: Vec<Vec<&'a str>>,
}

/// A table that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Nothing between the columns' names and the rows.
    #[error("line {line}: a line of `---`, {width} wide, is expected under the columns' names")]
    Separator {
        /// The line, from 1.
        line: usize,
        /// How many columns have names.
        width: usize,
    },
    /// A row that is too wide or too narrow.
    #[error("line {line}: a row of {actual} cells in a table of {width} columns")]
    Width {
        /// The line, from 1.
        line: usize,
        /// How many columns have names.
        width: usize,
        /// How many cells the row has.
        actual: usize,
    },
}

/// Every table of a page, in order.
///
/// # Errors
/// [`TableError`], with the line.
pub fn tables(page: &str) -> Result<Vec<Table<'_>>, TableError> {
    let mut tables = Vec::new();
    let (mut section, mut is_code) = ("", false);
    let mut lines = (1..).zip(page.lines()).peekable();
    while let Some((_, line)) = lines.next() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
        } else if line.starts_with('#') {
            section = line.trim_start_matches('#').trim();
        } else if let Some(columns) = cells(line) {
            let mut table = Table { section, columns, rows: Vec::new() };
            let width = table.columns.len();
            let mut is_separated = false;
            while let Some((line, row)) = lines.next_if(|(_, line)| line.starts_with('|')) {
                let row = cells(row).unwrap_or_default();
                if !is_separated && (row.len() != width || !row.iter().all(|cell| is_rule(cell))) {
                    return Err(TableError::Separator { line, width });
                } else if row.len() != width {
                    return Err(TableError::Width { line, width, actual: row.len() });
                } else if is_separated {
                    table.rows.push(row);
                }
                is_separated = true;
            }
            tables.push(table);
        }
    }
    Ok(tables)
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.strip_prefix('|')?.trim_end().strip_suffix('|')?;
    Some(inside.split('|').map(str::trim).collect())
}

fn is_rule(cell: &str) -> bool {
    cell.len() >= 3 && cell.bytes().all(|byte| byte == b'-')
}

/// The one code span that a cell consists of; none where there is anything else in it.
#[must_use]
pub fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|code| !code.is_empty() && !code.contains('`'))
}

/// Markdown as plain text: code spans and emphasis without their marks, links as what they say.
#[must_use]
pub fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(at) = rest.find(['`', '[', '*']) {
        text.push_str(&rest[..at]);
        let (mark, behind) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = behind;
        if mark == b'`' {
            (rest, text) = code_span(rest, text);
        } else if mark == b'[' {
            let Some((said, (_, behind))) = link(rest) else {
                text.push('[');
                continue;
            };
            text.push_str(&plain(said));
            rest = behind;
        }
    }
    text + rest
}

/// Takes the code span whose first mark stood before `rest`: what follows it, and the text with what it says. Two marks
/// hold one that has one in it, and a space at each end.
fn code_span(rest: &str, text: String) -> (&str, String) {
    let (mark, rest, is_double) = match rest.strip_prefix('`') {
        Some(rest) => ("``", rest, true),
        None => ("`", rest, false),
    };
    let (code, behind) = rest.split_once(mark).unwrap_or((rest, ""));
    let code = if is_double { code.trim().replace('`', "") } else { code.to_owned() };
    (behind, text + &code)
}

/// What a link says, its target, and what follows, behind its `[`.
fn link(text: &str) -> Option<(&str, (&str, &str))> {
    let (said, target) = text.split_once("](")?;
    (!said.contains('[')).then_some(())?;
    Some((said, target.split_once(')')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_table_by_table() {
        let page =
            "# P\n\n| a | b |\n|---|---|\n| `x` | y z |\n\n```\n| no | table |\n```\n## Q\n| c |\n|---|\n";
        let read = tables(page).unwrap();
        assert_eq!(
            read,
            [
                Table { section: "P", columns: vec!["a", "b"], rows: vec![vec!["`x`", "y z"]] },
                Table { section: "Q", columns: vec!["c"], rows: vec![] },
            ]
        );
    }

    #[test]
    fn a_table_that_is_none_is_refused() {
        let missing = tables("| a | b |\n| x | y |\n").unwrap_err();
        assert_eq!(missing, TableError::Separator { line: 2, width: 2 });
        let wide = tables("| a |\n|---|\n| x | y |\n").unwrap_err();
        assert_eq!(wide, TableError::Width { line: 3, width: 1, actual: 2 });
    }

    #[test]
    fn a_cell_that_is_one_code_and_no_more() {
        assert_eq!(code("`frame.damaged`"), Some("frame.damaged"));
        for other in ["frame.damaged", "`a`, `b`", "``", "`a", ""] {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn markdown_becomes_plain() {
        for (markdown, text) in [
            ("give `--trust`; *history* was rewritten", "give --trust; history was rewritten"),
            ("[operating.md](operating.md#opening), `head_lost`", "operating.md, head_lost"),
            ("`*` is a glob, [1] is none", "* is a glob, [1] is none"),
            ("[`verify`](a.md) [b] (c)", "verify [b] (c)"),
            ("an end `open", "an end open"),
            ("`` `head` holds none `` (3)", "head holds none (3)"),
        ] {
            assert_eq!(plain(markdown), text);
        }
    }
}
