//! What stdout is: a terminal of some width, or something that wants the whole of it.

use std::io::IsTerminal as _;

use anstyle::Style;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::timeline::columns::Table;
use crate::timeline::text::{BAD, DIM, GOOD, HEADING, ODD, Page};
use crate::verifier::finding::Class;
use crate::verifier::report::Verdict;

/// Below this, a line tells nothing: a terminal that says it is narrower is not believed.
const COLUMNS_MIN: usize = 20;

/// The page that stdout is.
#[must_use]
pub fn page(context: &Context) -> Page {
    Page { width: width(), styled: is_styled(), now: context.now() }
}

/// Whether colour is wanted on stdout: by `--color`, or else by `NO_COLOR`, `CLICOLOR_FORCE` and what stdout is.
fn is_styled() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Prints a table, cut to the terminal's width where stdout is one.
///
/// # Errors
/// Stdout is closed.
pub fn print_table(context: &Context, table: &Table) -> Result<(), Failure> {
    table.lines(width(), is_styled()).iter().try_for_each(|line| context.print(line))
}

/// The fields of an entry, their names in the background and its heading before it. What is styled is the text as it is.
#[must_use]
pub fn styled_fields(text: &str) -> String {
    if !is_styled() {
        return text.to_owned();
    }
    let lines = text.lines().enumerate().map(|(number, line)| match (number, field_name(line)) {
        (0, _) => format!("{HEADING}{line}{HEADING:#}"),
        (_, Some(name)) => format!("{DIM}{name}{DIM:#}{}", &line[name.len()..]),
        (_, None) => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The beginning of a line that names a field: `  recorded_at:`.
fn field_name(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once(':')?;
    let is_name = line.starts_with("  ")
        && name.trim_start().chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && (rest.is_empty() || rest.starts_with(' '));
    is_name.then(|| &line[..=name.len()])
}

/// A verifier's report with its verdict and the classes of its findings in colour. What is styled is the text as it is.
#[must_use]
pub fn styled_report(text: &str, verdict: Verdict) -> String {
    if !is_styled() {
        return text.to_owned();
    }
    let end = match verdict {
        Verdict::Sound { anchored: true } => GOOD.bold(),
        Verdict::Sound { anchored: false } | Verdict::CannotTell => ODD.bold(),
        Verdict::Violation | Verdict::Tampered => BAD,
    };
    let line = |line: &str| {
        if line.starts_with("VERDICT: ") {
            return format!("{end}{line}{end:#}");
        }
        let class = line.split(' ').next().and_then(|word| Some((word.len(), word.parse::<Class>().ok()?)));
        match class {
            None => line.to_owned(),
            Some((length, class)) => {
                let style = class_style(class);
                format!("{style}{}{style:#}{}", &line[..length], &line[length..])
            }
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

const fn class_style(class: Class) -> Style {
    match class {
        Class::Tampered | Class::Violation => BAD,
        Class::Unclear => ODD,
        Class::Remark => DIM,
    }
}

/// The columns of the terminal that stdout is; none where it is none. `COLUMNS` says it where the terminal does not, or
/// where somebody wants it otherwise.
fn width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
    let told = || terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0));
    let believed = |columns: &usize| *columns >= COLUMNS_MIN;
    asked.filter(believed).or_else(told).filter(believed)
}
