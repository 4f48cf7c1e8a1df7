//! A timeline for a terminal: what served, incidents, doubts, and a line for each entry.
//!
//! Where the terminal's width is known, lines are cut to it and ages are told; without it the text is the same at any
//! time, and whole.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use unicode_width::UnicodeWidthStr as _;

use crate::event::body::Kind;
use crate::log::reader::LoggedEntry;
use crate::time::{Timestamp, span_text};

use super::caption;
use super::chronicle::{Basis, Chronicle, Commit, Doubt, Incident, Lane, Recovery, Row, Standing, Stretch};
use super::columns::{Cell, Column, Table, cut};
use super::prose::{self, People, visible};
use super::zone::Zone;

/// What a text is written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The terminal's columns; none where it is no terminal: then nothing is cut, and no ages are told.
    pub width: Option<usize>,
    /// Whether ANSI styles are wanted.
    pub styled: bool,
    /// What ages are told from.
    pub now: Timestamp,
}

/// A list's names are padded to this, which most are not longer than.
const LISTED_NAME_COLUMNS: usize = 12;
/// And on a terminal cut to this.
const LISTED_NAME_COLUMNS_MAX: usize = 24;

/// What stands in the background: times, indexes.
pub const DIM: Style = Style::new().dimmed();
/// What is as it should be.
pub const GOOD: Style = coloured(AnsiColor::Green);
/// What is to be looked at.
pub const ODD: Style = coloured(AnsiColor::Yellow);
/// What is wrong.
pub const BAD: Style = coloured(AnsiColor::Red).bold();
/// A heading.
pub const HEADING: Style = Style::new().bold();

const fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

/// The style of a kind's name.
#[must_use]
pub const fn kind_style(kind: Kind) -> Style {
    match kind {
        Kind::ModelPromoted | Kind::IncidentResolved => GOOD,
        Kind::ModelRolledBack | Kind::ModelWithdrawn | Kind::ModelRetired | Kind::EntryRatified => ODD,
        Kind::DriftDetected | Kind::IncidentDetected => coloured(AnsiColor::Red),
        Kind::ModelRegistered | Kind::ModelEvaluated => coloured(AnsiColor::Cyan),
        Kind::LedgerCreated
        | Kind::KeyGranted
        | Kind::KeyRevoked
        | Kind::LogKeyRotated
        | Kind::PolicySet
        | Kind::AttachmentRedacted => coloured(AnsiColor::Magenta),
        Kind::ChangeCompleted | Kind::NoteAdded => Style::new(),
    }
}

/// The text of `chronicle` on `page`, times in `zone`; it ends in a line feed.
#[must_use]
pub fn render(chronicle: &Chronicle, zone: &Zone, page: &Page) -> String {
    let mut paper = Paper { out: String::new(), zone, page };
    paper.head(chronicle);
    for lane in &chronicle.lanes {
        paper.lane(lane, chronicle);
    }
    for incident in &chronicle.incidents {
        paper.incident(incident, chronicle);
    }
    paper.doubts(&chronicle.doubts);
    paper.rows(&chronicle.rows);
    paper.out
}

/// One line of a list: index, recorded time (and its age on a terminal), kind, proposer, what happened.
#[must_use]
pub fn list_line(logged: &LoggedEntry, people: &People, page: &Page) -> String {
    let entry = &logged.entry;
    let kind = logged.event.kind();
    let person = visible(&people.name(&logged.event.header.proposer));
    let age = page.width.map(|_| format!("{:>8}  ", prose::ago(entry.recorded_at, page.now)));
    let age = age.unwrap_or_default();
    let time = prose::seconds(entry.recorded_at);
    // A name as long as names may be would leave a terminal's line no room for what happened.
    let person = if page.width.is_some() { cut(&person, LISTED_NAME_COLUMNS_MAX) } else { person };
    let padding = " ".repeat(LISTED_NAME_COLUMNS.saturating_sub(person.width()));
    let head = format!("{:>6}  {time}  {age}", entry.index);
    let tail = format!("{person}{padding}  {}", prose::one_line(&logged.event));
    let told = format!("{kind:<17}  ");
    let room = page.width.map(|width| width.saturating_sub(head.width() + told.len()));
    let tail = room.map_or_else(|| tail.clone(), |room| cut(&tail, room));
    if !page.styled {
        return head + &told + &tail;
    }
    let style = kind_style(kind);
    format!("{DIM}{head}{DIM:#}{style}{told}{style:#}{tail}")
}

/// The text so far.
struct Paper<'a> {
    out: String,
    zone: &'a Zone,
    page: &'a Page,
}

impl Paper<'_> {
    fn line(&mut self, text: &str, style: Style) {
        let text = visible(text).replace(['\n', '\t'], " ");
        let text = self.page.width.map_or_else(|| text.clone(), |width| cut(&text, width));
        let style = if self.page.styled { style } else { Style::new() };
        let _ = writeln!(self.out, "{style}{text}{style:#}");
    }

    fn table(&mut self, table: &Table) {
        for line in table.lines(self.page.width, self.page.styled) {
            self.out.push_str(&line);
            self.out.push('\n');
        }
    }

    fn heading(&mut self, text: &str) {
        self.out.push('\n');
        self.line(text, HEADING);
    }

    /// A time, and on a terminal how long ago it was.
    fn age(&self, time: Timestamp) -> Option<String> {
        self.page.width.map(|_| prose::ago(time, self.page.now))
    }

    fn head(&mut self, chronicle: &Chronicle) {
        let Chronicle { origin, since, until, basis, goes_on, .. } = chronicle;
        let origin = origin.as_ref().map_or("a ledger without a name", |origin| origin.as_str());
        let zone = self.zone;
        self.line(
            &format!("{origin}, {} to {} ({zone})", zone.seconds(*since), zone.seconds(*until)),
            HEADING,
        );
        if *goes_on {
            self.line("as known then: the log goes on", DIM);
        }
        self.line(&prose::rests_on(basis), basis_style(basis));
        let root = basis.root.map_or_else(|| "unknown".to_owned(), |root| root.to_string());
        let age = basis.last_recorded_at.and_then(|last| self.age(last));
        let age = age.map_or_else(String::new, |age| format!(", its last entry {age}"));
        self.line(&format!("checkpoint: size {}, root {root}{age}", basis.size), DIM);
    }

    fn lane(&mut self, lane: &Lane, chronicle: &Chronicle) {
        self.heading(&format!("{} / {}", lane.environment, lane.model));
        let times = Column::WHOLE.styled(DIM);
        let mut table = Table::new([
            times,
            times,
            Column::NUMBER,
            Column::TEXT.styled(HEADING),
            times,
            Column::TEXT,
            Column::TEXT,
            times,
        ]);
        for stretch in &lane.stretches {
            table.push(self.stretch(stretch, chronicle));
        }
        self.table(&table);
    }

    fn stretch(&self, stretch: &Stretch, chronicle: &Chronicle) -> Vec<Cell> {
        let Stretch { version, digest, opened, authorised, infra, closed, .. } = stretch;
        let end = closed.as_ref().map_or(chronicle.until, |closed| closed.recorded_at);
        let commit = infra.as_ref().map(Commit::in_short);
        vec![
            Cell::from(format!("  {}", self.zone.seconds(opened.recorded_at))),
            Cell::from(closed.as_ref().map_or_else(
                || chronicle.open_end().to_owned(),
                |closed| format!("to {}", self.zone.seconds(closed.recorded_at)),
            )),
            Cell::from(span_text(end.since_ms(opened.recorded_at))),
            Cell::from(version.as_str()),
            Cell::from(digest.map(|digest| digest.short()).unwrap_or_default()),
            Cell::from(commit.unwrap_or_default()),
            Cell::from(prose::who(authorised)),
            Cell::from(stretch.entry_words()),
        ]
    }

    fn incident(&mut self, incident: &Incident, chronicle: &Chronicle) {
        let Incident { id, severity, summary, places, recoveries, resolved } = incident;
        self.heading(&format!("incident {id} ({severity})"));
        if let Some(summary) = summary {
            self.line(&format!("  {summary}"), Style::new());
        }
        for place in places {
            let model = place.model.as_ref().map_or("any model", |model| model.as_str());
            let when = self.zone.seconds(place.detected.recorded_at);
            let index = place.detected.index;
            let text = format!("  detected {when} in {} on {model} (entry {index})", place.environment);
            self.line(&text, Style::new());
        }
        if let Some(entry) = caption::doubted(incident, chronicle.doubted_from()) {
            self.line(&format!("  what came of it cannot be told: in doubt from entry {entry} on"), BAD);
        }
        for recovery in recoveries {
            self.recovery(recovery);
        }
        match resolved {
            Some((by, _)) => {
                let when = self.zone.seconds(by.recorded_at);
                self.line(&format!("  resolved {when} by {} (entry {})", prose::who(by), by.index), GOOD);
            }
            None => self.line("  not resolved", ODD),
        }
    }

    fn recovery(&mut self, recovery: &Recovery) {
        let Recovery { environment, model, failed, change, .. } = recovery;
        let when = self.zone.seconds(change.recorded_at);
        let what = format!("  {model} {failed} taken back {when} in {environment} (entry {})", change.index);
        self.line(&what, Style::new());
        let late = match recovery.is_late() {
            Some(true) => BAD,
            Some(false) => GOOD,
            None => ODD,
        };
        self.line(&format!("    recovery time: {}", prose::recovery_time(recovery)), late);
        self.line(&format!("    detection gap: {}", prose::detection_gap(recovery)), Style::new());
        if let Some(told) = prose::break_glass(recovery) {
            self.line(&format!("    break-glass: {told}"), ODD);
        }
    }

    fn doubts(&mut self, doubts: &[Doubt]) {
        if doubts.is_empty() {
            return;
        }
        self.heading("what is in doubt");
        for doubt in doubts {
            let Doubt { from_index, until_index, code, message, .. } = doubt;
            let until = match until_index {
                Some(until) if *until == from_index + 1 => String::new(),
                Some(until) => format!(" to {}", until.saturating_sub(1)),
                None => " to the end".to_owned(),
            };
            self.line(&format!("  entry {from_index}{until}: {code}: {message}"), BAD);
        }
    }

    fn rows(&mut self, rows: &[Row]) {
        self.heading(if rows.is_empty() { "no entry fits" } else { "entries" });
        let dim = Column::WHOLE.styled(DIM);
        let number = Column::NUMBER.styled(DIM);
        let mut table =
            Table::new([number, dim, number, Column::WHOLE, Column::TEXT, Column::WHOLE, Column::TEXT]);
        for row in rows {
            table.push(self.row(row));
        }
        self.table(&table);
    }

    fn row(&self, row: &Row) -> Vec<Cell> {
        let entry = &row.entry;
        vec![
            Cell::from(entry.index.to_string()),
            Cell::from(self.zone.seconds(entry.recorded_at)),
            Cell::from(self.age(entry.recorded_at).unwrap_or_default()),
            Cell::styled(entry.kind.to_string(), kind_style(entry.kind)),
            // A line for each entry has no room for all names on a terminal.
            Cell::from(match self.page.width {
                Some(_) => prose::who_in_short(entry),
                None => prose::who(entry),
            }),
            standing(&row.standing),
            Cell::from(&row.what),
        ]
    }
}

fn basis_style(basis: &Basis) -> Style {
    match &basis.verdict {
        Some(told) if told.is_good => GOOD,
        Some(_) => BAD,
        None => ODD,
    }
}

fn standing(standing: &Standing) -> Cell {
    match standing {
        Standing::Unchecked => Cell::from(""),
        Standing::Sound => Cell::styled("sound", GOOD),
        Standing::NotJudged => Cell::styled("not judged", ODD),
        Standing::Doubted(codes) => Cell::styled(codes.join(", "), BAD),
    }
}
