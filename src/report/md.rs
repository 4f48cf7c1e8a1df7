//! The report as Markdown, with tables as GitHub and GitLab show them.
//!
//! Text from the log is a stranger's. Each character that Markdown or HTML give a meaning is escaped; what steers or
//! reorders is spelt out; listings stand in fences that are longer than any in them.

use std::fmt::Write as _;

use crate::timeline::prose::{fence, visible};

use super::layout::{Block, Cell, Fact, Page, Table};

/// The page as Markdown, ended by a newline.
#[must_use]
pub fn render(page: &Page) -> String {
    let mut out = format!("# {}\n\n**{}**\n\n", plain(&page.title), plain(&page.verdict));
    facts(&page.head, &mut out);
    for section in &page.sections {
        let _ = write!(out, "## {}\n\n", plain(section.title));
        for block in &section.blocks {
            write_block(block, &mut out);
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn write_block(block: &Block, out: &mut String) {
    match block {
        Block::Words(words) => *out += &format!("{}\n\n", plain(words)),
        Block::Heading(words) => *out += &format!("### {}\n\n", plain(words)),
        Block::List(items) => {
            for item in items {
                *out += &format!("- {}\n", plain(item));
            }
            out.push('\n');
        }
        Block::Facts(of) => facts(of, out),
        Block::Table(of) => table(of, out),
        Block::Listing { caption, text } => *out += &format!("**{}**\n\n{}\n", plain(caption), fenced(text)),
    }
}

fn facts(facts: &[Fact], out: &mut String) {
    for Fact { name, value } in facts {
        let _ = writeln!(out, "- {}: {}", plain(name), joined(value, "; "));
    }
    out.push('\n');
}

fn table(table: &Table, out: &mut String) {
    let _ = write!(out, "**{}**\n\n", plain(&table.caption));
    let columns: Vec<String> = table.columns.iter().map(|column| plain(column)).collect();
    let _ = writeln!(out, "| {} |", columns.join(" | "));
    let _ = writeln!(out, "|{}", "---|".repeat(columns.len()));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|cell| joined(cell, "<br>")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

fn joined(cell: &Cell, between: &str) -> String {
    cell.lines.iter().map(|line| plain(&line.text)).collect::<Vec<_>>().join(between)
}

/// Text that Markdown shows as it stands, within a line: of a table, too.
#[must_use]
pub fn plain(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    let (mut before, mut rest) = (None, text.trim().chars().peekable());
    while let Some(c) = rest.next() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\n' | '\t' => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' | '@' => out.extend(['\\', c]),
            // `https://` becomes a link by itself, `:name:` a picture.
            ':' if before.is_none_or(char::is_whitespace) || rest.peek() == Some(&'/') => {
                out.extend(['\\', c]);
            }
            // So does `www.`.
            '.' if before.is_some_and(|before: char| before.eq_ignore_ascii_case(&'w')) => {
                out.extend(['\\', c]);
            }
            c => out.push(c),
        }
        before = Some(c);
    }
    out
}

/// Text as it stands, between fences that it cannot close.
fn fenced(text: &str) -> String {
    let text = visible(text);
    let fence = fence(&text, 3);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Block, Cell, Line, Page, Section, Table, Tone};
    use super::*;

    #[test]
    fn what_markdown_reads_is_escaped() {
        for (text, shown) in [
            ("plain words, 1.0.0 at 09:30:00Z", "plain words, 1.0.0 at 09:30:00Z"),
            ("reason: why, SHA256:4aB/c", "reason: why, SHA256:4aB/c"),
            (":name:", "\\:name:"),
            ("a|b", "a\\|b"),
            ("<script>&", "&lt;script&gt;&amp;"),
            ("`x` *y* _z_ ~w~ $v$", "\\`x\\` \\*y\\* \\_z\\_ \\~w\\~ \\$v\\$"),
            ("![i](j) [k]", "\\!\\[i\\](j) \\[k\\]"),
            ("https://e.org www.e.org me@e.org", "https\\://e.org www\\.e.org me\\@e.org"),
            ("a\nb\tc", "a b c"),
            ("\u{202e}\u{1b}", "\\\\u{202e}\\\\u{1b}"),
            ("# 模型 ü", "\\# 模型 ü"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_fence_is_longer_than_any_in_its_text() {
        assert_eq!(fenced("a\n"), "```text\na\n```\n");
        assert_eq!(fenced("```\n````x"), "`````text\n```\n````x\n`````\n");
        assert_eq!(fenced("\u{1b}[2J"), "```text\n\\u{1b}[2J\n```\n");
    }

    #[test]
    fn a_row_is_a_line_whatever_its_cells_hold() {
        let line = |text: &str| Line { text: text.to_owned(), is_code: false };
        let cell = Cell { lines: vec![line("a|\nb"), line("c")], tone: Tone::Plain };
        let table = Table { caption: "t".into(), columns: &["x"], rows: vec![vec![cell]] };
        let sections = vec![Section { id: "s", title: "S", blocks: vec![Block::Table(table)] }];
        let page =
            Page { title: "P".into(), verdict: "v".into(), tone: Tone::Good, head: Vec::new(), sections };
        let shown = render(&page);
        assert!(shown.contains("\n| x |\n|---|\n| a\\| b<br>c |\n"), "{shown}");
    }
}
