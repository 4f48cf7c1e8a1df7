//! What stdout is: a terminal of some width, or something that wants the whole of it.

use std::io::IsTerminal as _;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::timeline::columns::Table;
use crate::timeline::text::Page;

/// Below this, a line tells nothing: a terminal that says it is narrower is not believed.
const COLUMNS_MIN: usize = 20;

/// The page that stdout is. What is printed there may be styled in any case: where no colour is wanted, styles are taken
/// out on the way.
#[must_use]
pub fn page(context: &Context) -> Page {
    Page { width: width(), styled: true, now: context.now() }
}

/// Prints a table, cut to the terminal's width where stdout is one.
///
/// # Errors
/// Stdout is closed.
pub fn print_table(context: &Context, table: &Table) -> Result<(), Failure> {
    table.lines(width(), true).iter().try_for_each(|line| context.print(line))
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
    asked.or_else(told).filter(|&columns| columns >= COLUMNS_MIN)
}
