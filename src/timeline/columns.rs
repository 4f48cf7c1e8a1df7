//! Rows of cells as aligned lines, as wide as is asked for.
//!
//! Widths are those of a terminal's columns, in which a Chinese character takes two. What is cut ends in `…`. Cells are
//! of one line, and steer no terminal, whatever is put in.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::prose::visible;

/// What parts two cells.
const GAP: usize = 2;
/// A column is not cut below this: what is shorter tells nothing.
const CUT_TO_MIN: usize = 8;
/// Makes the character before it an emoji, which may be a column wider.
const EMOJI_SELECTOR: char = '\u{fe0f}';

/// How the cells of a column are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Column {
    /// The style of cells that have none of their own.
    pub style: Style,
    /// Whether its cells may be cut where a line is too long.
    pub may_be_cut: bool,
    /// Whether its cells end below each other, as numbers do.
    pub is_number: bool,
}

impl Column {
    /// A column that is shown whole.
    pub const WHOLE: Self = Self { style: Style::new(), may_be_cut: false, is_number: false };
    /// A column of numbers.
    pub const NUMBER: Self = Self { is_number: true, ..Self::WHOLE };
    /// A column of what may be cut.
    pub const TEXT: Self = Self { may_be_cut: true, ..Self::WHOLE };

    /// The column in this style.
    #[must_use]
    pub const fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// A text in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    /// A text in a style of its own.
    #[must_use]
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { text: one_line(text.as_ref()), style: Some(style) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: one_line(text.as_ref()), style: None }
    }
}

/// Rows of cells. A row may be shorter than the table, or longer: what is beyond the columns is shown whole. A column
/// in which nothing stands takes no room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl IntoIterator<Item = impl Into<Cell>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// A line for each row: each column as wide as its widest cell, unless the line would be wider than `width`. Styled
    /// lines hold ANSI escapes, which take no width.
    #[must_use]
    pub fn lines(&self, width: Option<usize>, styled: bool) -> Vec<String> {
        let mut widths = self.natural_widths();
        if let Some(width) = width {
            self.fit(&mut widths, width);
        }
        self.rows.iter().map(|row| self.line(row, &widths, width.unwrap_or(usize::MAX), styled)).collect()
    }

    fn column(&self, at: usize) -> Column {
        self.columns.get(at).copied().unwrap_or_default()
    }

    fn natural_widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        widths
    }

    /// Takes from the widest column that may be cut, until all fit or nothing more can be taken.
    fn fit(&self, widths: &mut [usize], limit: usize) {
        let gaps = GAP * widths.iter().filter(|width| **width > 0).count().saturating_sub(1);
        loop {
            let over = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
            let cut = (0..widths.len()).filter(|&at| self.column(at).may_be_cut && widths[at] > CUT_TO_MIN);
            let Some(widest) = cut.max_by_key(|&at| widths[at]).filter(|_| over > 0) else { return };
            let next = (0..widths.len()).filter(|&at| at != widest && self.column(at).may_be_cut);
            let next = next.map(|at| widths[at]).filter(|&width| width < widths[widest]).max().unwrap_or(0);
            // Down to the next widest one, and then in turns.
            let take = over.min((widths[widest] - next).max(1)).min(widths[widest] - CUT_TO_MIN);
            widths[widest] -= take;
        }
    }

    fn line(&self, row: &[Cell], widths: &[usize], limit: usize, styled: bool) -> String {
        let told = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
        let (mut line, mut used) = (String::new(), 0);
        for (at, cell) in row[..told].iter().enumerate().filter(|(at, _)| widths[*at] > 0) {
            if used > 0 {
                line.push_str("  ");
                used += GAP;
            }
            if used >= limit {
                break;
            }
            let column = self.column(at);
            let shown = widths[at].min(limit - used);
            let text = cut(&cell.text, shown);
            let padding = " ".repeat(shown - text.width().min(shown));
            let style = if styled { cell.style.unwrap_or(column.style) } else { Style::new() };
            let text = format!("{style}{text}{style:#}");
            line += &if column.is_number { padding + &text } else { text + &padding };
            used += shown;
        }
        line.truncate(line.trim_end_matches(' ').len());
        line
    }
}

/// A text of at most `width` columns: what is longer ends in `…`.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    // No character has more than four bytes; a text of so few is not measured twice.
    if text.len() <= width || text.width() <= width {
        return text.to_owned();
    }
    let (mut used, mut end) = (1, 0);
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(1) + usize::from(c == EMOJI_SELECTOR);
        if used > width {
            break;
        }
        end = at + c.len_utf8();
    }
    if width == 0 { String::new() } else { format!("{}…", text[..end].trim_end()) }
}

/// A text on one line, which steers no terminal.
fn one_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[Column], rows: &[&[&str]]) -> Table {
        let mut table = Table::new(columns);
        for row in rows {
            table.push(row.iter().copied());
        }
        table
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows: [&[&str]; 3] =
            [&["a", "bb", "last"], &["\u{e4}\u{f6}\u{fc}", "b"], &["a", "\u{202e}", "c"]];
        let lines = ["a    bb        last", "\u{e4}\u{f6}\u{fc}  b", "a    \\u{202e}  c"];
        assert_eq!(table(&[], &rows).lines(None, false), lines);
        assert!(table(&[], &[]).lines(Some(1), true).is_empty());
    }

    #[test]
    fn widths_are_those_of_a_terminal() {
        let rows: [&[&str]; 3] = [&["\u{6a21}\u{578b}", "1"], &["e\u{301}x", "22"], &["\u{1f600}", "3"]];
        let columns = [Column::TEXT, Column::NUMBER];
        let lines =
            ["\u{6a21}\u{578b}   1".to_owned(), "e\u{301}x    22".to_owned(), "\u{1f600}     3".to_owned()];
        assert_eq!(table(&columns, &rows).lines(None, false), lines);
    }

    #[test]
    fn what_may_be_cut_is_cut_the_widest_first() {
        let rows: [&[&str]; 2] = [
            &["12", "a name of nineteen.", "and a text that is a good deal longer"],
            &["3", "short", "text"],
        ];
        let table = table(&[Column::NUMBER, Column::TEXT, Column::TEXT], &rows);
        assert_eq!(
            table.lines(Some(45), false),
            ["12  a name of nineteen.  and a text that is…", " 3  short                text"]
        );
        assert_eq!(table.lines(Some(24), false), ["12  a name of…  and a t…", " 3  short       text"]);
        for width in 1..90 {
            for line in table.lines(Some(width), false) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn styles_take_no_width_and_are_left_out_where_nobody_wants_them() {
        let red = Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
        let mut table = Table::new([Column::WHOLE.styled(Style::new().dimmed()), Column::WHOLE]);
        table.push([Cell::from("a"), Cell::styled("b", red), Cell::from("")]);
        assert_eq!(table.lines(None, true), ["\u{1b}[2ma\u{1b}[0m  \u{1b}[31mb\u{1b}[0m"]);
        assert_eq!(table.lines(None, false), ["a  b"]);
    }

    #[test]
    fn what_is_cut_says_so_and_is_no_wider_than_asked() {
        let hostile = "\u{2764}\u{fe0f}\u{6a21}e\u{301}\u{1f468}\u{200d}\u{1f469}abc".repeat(3);
        for width in 0..40 {
            assert!(cut(&hostile, width).width() <= width, "{width}");
        }
        assert_eq!([cut("abcd", 4), cut("abcde", 4), cut("ab cd", 4)], ["abcd", "abc…", "ab…"]);
        assert_eq!(one_line("a\n\tb\u{1b}[2J"), "a  b\\u{1b}[2J");
    }
}
