//! One lane of a picture: where its bars, diamonds and labels stand, each in its own row.

use std::collections::BTreeMap;

use crate::event::body::{Body, Kind};
use crate::event::model::{AlertStatus, EvaluationOutcome};
use crate::event::release::ChangeOutcome;
use crate::time::Timestamp;

use super::caption;
use super::chronicle::{Commit, Incident, IncidentPlace, Recovery, Row, Standing, Stretch};
use super::colour::{Colour, Colours};
use super::label::{fitted, on_one_line, width_px};
use super::scale::Scale;
use super::zone::Zone;

/// How high a row of diamonds is.
pub const MARK_ROW: f64 = 24.0;
/// How high a row of labels is.
pub const LABEL_ROW: f64 = 17.0;
/// How high a bar is.
pub const BAR: f64 = 26.0;
/// The font size of labels.
pub const LABEL_FONT: f64 = 11.5;
/// Diamonds of a row stand at least this far apart: two pixels of air.
const MARK_APART: f64 = 22.0;
/// What serves for less than this is drawn together with its neighbours: narrower bars have no colour.
const BAR_MIN: f64 = 5.0;
/// Labels of incidents take no more rows than this; what finds no room is told by its title.
const LABEL_ROWS_MAX: usize = 3;
/// A pointer's title names no more events of one cluster than this.
const TITLES_MAX: usize = 12;

/// Where the parts of a picture stand, sideways.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Where times stand.
    pub scale: &'a Scale,
    /// The left end.
    pub left: f64,
    /// The right end.
    pub right: f64,
    /// The first time that is shown.
    pub since: Timestamp,
    /// In what times are told.
    pub zone: &'a Zone,
    /// The first entry that is in doubt.
    pub doubted_from: Option<u64>,
}

/// What a diamond stands for. The later ones stand for a cluster that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Something else.
    Other,
    /// Somebody stands behind an entry.
    Ratified,
    /// A version was registered.
    Registered,
    /// It was evaluated, and passed.
    Passed,
    /// A change was completed.
    Completed,
    /// An incident was resolved.
    Resolved,
    /// Drift is over.
    DriftOver,
    /// A version was retired.
    Retired,
    /// A version was promoted.
    Promoted,
    /// Drift was detected.
    Drift,
    /// An evaluation or a change failed.
    Failed,
    /// A model was withdrawn.
    Withdrawn,
    /// A model was rolled back.
    RolledBack,
    /// An incident was detected.
    Incident,
}

impl Sign {
    /// What the row's diamond is.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        match &row.event.body {
            Body::ModelRegistered(_) => Self::Registered,
            Body::ModelEvaluated(b) if b.outcome == EvaluationOutcome::Passed => Self::Passed,
            Body::ModelPromoted(_) => Self::Promoted,
            Body::ModelRolledBack(_) => Self::RolledBack,
            Body::ModelWithdrawn(_) => Self::Withdrawn,
            Body::ModelRetired(_) => Self::Retired,
            Body::ChangeCompleted(b) if b.outcome == ChangeOutcome::Succeeded => Self::Completed,
            Body::ModelEvaluated(_) | Body::ChangeCompleted(_) => Self::Failed,
            Body::DriftDetected(b) if b.status == AlertStatus::Resolved => Self::DriftOver,
            Body::DriftDetected(_) => Self::Drift,
            Body::IncidentDetected(_) => Self::Incident,
            Body::IncidentResolved(_) => Self::Resolved,
            Body::EntryRatified(_) => Self::Ratified,
            _ => Self::Other,
        }
    }

    /// What it is called in the legend.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Other => "other entry",
            Self::Ratified => "ratified",
            Self::Registered => "registered",
            Self::Passed => "evaluated, passed",
            Self::Completed => "completed",
            Self::Resolved => "incident resolved",
            Self::DriftOver => "drift over",
            Self::Retired => "retired",
            Self::Promoted => "promoted",
            Self::Drift => "drift",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::RolledBack => "rolled back",
            Self::Incident => "incident",
        }
    }
}

/// A label in its row.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Where it begins.
    pub x: f64,
    /// Which row, from the top.
    pub row: usize,
    /// What it says, cut to its place.
    pub text: String,
}

/// A diamond, or a circle with a count where several would stand on each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its middle.
    pub x: f64,
    /// Which row, from the top.
    pub row: usize,
    /// What it stands for; of several, the gravest.
    pub sign: Sign,
    /// How many.
    pub count: usize,
    /// The (first) entry.
    pub entry: u64,
    /// Whether the verifier found something against one.
    pub is_doubted: bool,
    /// What they are, in words.
    pub title: String,
}

/// What served.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Where it begins.
    pub x: f64,
    /// Where it ends.
    pub end: f64,
    /// What its digest is told by; none where it is unknown, or the bar stands for several.
    pub colour: Option<Colour>,
    /// For how many it stands.
    pub count: usize,
    /// The digest's letter, where it has room.
    pub letter: Option<String>,
    /// Version and digest, as far as they have room.
    pub text: Option<String>,
    /// Whether it began before what is shown.
    pub began_before: bool,
    /// Whether it still serves.
    pub is_open: bool,
    /// The whole of it, in words.
    pub title: String,
}

/// An incident, from its detection to the recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Where it begins.
    pub x: f64,
    /// Where it ends.
    pub end: f64,
    /// Whether the recovery took longer than its target.
    pub is_late: bool,
    /// What it says.
    pub label: Option<Label>,
    /// The whole of it, in words.
    pub title: String,
}

/// A commit, or several in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct CommitMark {
    /// Its middle.
    pub x: f64,
    /// Its first digits, or how many there are, where there is room.
    pub text: Option<String>,
    /// They in full.
    pub title: String,
}

impl Frame<'_> {
    fn x(&self, time: Timestamp) -> f64 {
        self.scale.x(time).clamp(self.left, self.right)
    }
}

/// Diamonds in at most `rows_max` rows. Where no row has room, the last one takes in what follows, and counts.
#[must_use]
pub fn marks(rows: &[&Row], rows_max: usize, frame: Frame<'_>) -> Vec<Mark> {
    let mut ordered: Vec<(f64, &Row)> =
        rows.iter().map(|row| (frame.x(row.entry.recorded_at), *row)).collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.entry.index.cmp(&b.1.entry.index)));
    let mut marks: Vec<Mark> = Vec::new();
    // The newest mark of each row.
    let mut newest: Vec<usize> = Vec::new();
    for (x, row) in ordered {
        let free = newest.iter().position(|&mark| x - marks[mark].x >= MARK_APART);
        let place = free.or_else(|| (newest.len() < rows_max).then_some(newest.len()));
        match place {
            Some(place) => {
                let mark = mark(x, place, row, frame.zone);
                match newest.get_mut(place) {
                    Some(newest) => *newest = marks.len(),
                    None => newest.push(marks.len()),
                }
                marks.push(mark);
            }
            None => {
                let nearest = newest.iter().copied().max_by(|&a, &b| marks[a].x.total_cmp(&marks[b].x));
                if let Some(nearest) = nearest {
                    marks[nearest].take_in(row, frame.zone);
                }
            }
        }
    }
    for mark in &mut marks {
        mark.tell_count();
    }
    marks
}

fn mark(x: f64, place: usize, row: &Row, zone: &Zone) -> Mark {
    let is_doubted = matches!(row.standing, Standing::Doubted(_));
    let title = caption::row(row, zone);
    Mark { x, row: place, sign: Sign::of(row), count: 1, entry: row.entry.index, is_doubted, title }
}

impl Mark {
    fn take_in(&mut self, row: &Row, zone: &Zone) {
        self.count += 1;
        self.sign = self.sign.max(Sign::of(row));
        self.is_doubted |= matches!(row.standing, Standing::Doubted(_));
        if self.count <= TITLES_MAX {
            self.title = format!("{}\n{}", self.title, caption::row(row, zone));
        }
    }

    fn tell_count(&mut self) {
        if self.count > TITLES_MAX {
            self.title = format!("{}\nand {} more", self.title, self.count - TITLES_MAX);
        }
        if self.count > 1 {
            self.title = format!("{} entries:\n{}", self.count, self.title);
        }
    }
}

/// A bar for each stretch, narrow neighbours in one. None lies on another.
#[must_use]
pub fn bars(stretches: &[Stretch], colours: &Colours, frame: Frame<'_>) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut narrow: Vec<&Stretch> = Vec::new();
    for stretch in stretches {
        let (x, end) = (frame.x(stretch.opened.recorded_at), end_of(stretch, frame));
        if end - x < BAR_MIN && stretch.closed.is_some() {
            let is_near = narrow.last().is_none_or(|last| x - end_of(last, frame) < BAR_MIN);
            if !is_near {
                bars.extend(together(&std::mem::take(&mut narrow), bars.last(), colours, frame));
            }
            narrow.push(stretch);
            continue;
        }
        bars.extend(together(&std::mem::take(&mut narrow), bars.last(), colours, frame));
        bars.extend(together(&[stretch], bars.last(), colours, frame));
    }
    bars.extend(together(&narrow, bars.last(), colours, frame));
    bars
}

/// What still serves is shown to the end of the picture.
fn end_of(stretch: &Stretch, frame: Frame<'_>) -> f64 {
    stretch.closed.as_ref().map_or(frame.right, |closed| frame.x(closed.recorded_at))
}

fn together(
    stretches: &[&Stretch],
    before: Option<&Bar>,
    colours: &Colours,
    frame: Frame<'_>,
) -> Option<Bar> {
    let (first, last) = (stretches.first()?, stretches.last()?);
    let x = frame.x(first.opened.recorded_at).max(before.map_or(frame.left, |bar| bar.end));
    let end = end_of(last, frame).max(x + BAR_MIN - 1.0).min(frame.right.max(x));
    let mut titles: Vec<String> =
        stretches.iter().take(TITLES_MAX).map(|stretch| caption::stretch(stretch, frame.zone)).collect();
    if stretches.len() > TITLES_MAX {
        titles.push(format!("and {} more", stretches.len() - TITLES_MAX));
    }
    let digest = first.digest.filter(|_| stretches.len() == 1);
    let colour = digest.as_ref().and_then(|digest| colours.colour(digest));
    let mut bar = Bar {
        x,
        end,
        colour,
        count: stretches.len(),
        letter: None,
        text: None,
        began_before: first.opened.recorded_at < frame.since,
        is_open: last.closed.is_none(),
        title: titles.join("\n"),
    };
    bar.write(first);
    Some(bar)
}

impl Bar {
    /// Says of the stretch what has room: letter, version and digest; or letter and version; or the letter.
    fn write(&mut self, stretch: &Stretch) {
        /// The letter, and its distance from the text.
        const LETTER: f64 = 18.0;
        let pad = 8.0 + if self.is_open { 10.0 } else { 6.0 } + if self.began_before { 8.0 } else { 0.0 };
        let room = self.end - self.x - pad;
        if self.count > 1 {
            self.text = fitted(&format!("{} versions in turn", self.count), room, LABEL_FONT);
            return;
        }
        self.letter =
            self.colour.map(Colour::letter).filter(|letter| width_px(letter, LABEL_FONT) <= room + 4.0);
        let room = room - if self.letter.is_some() { LETTER } else { 0.0 };
        let version = on_one_line(stretch.version.as_str());
        let whole = stretch.digest.map(|digest| format!("{version} · {}", digest.short()));
        let whole = whole.filter(|text| width_px(text, LABEL_FONT) <= room);
        self.text = whole.or_else(|| fitted(stretch.version.as_str(), room, LABEL_FONT));
    }
}

/// An incident, as far as it was in one lane.
#[derive(Debug, Clone, Copy)]
pub struct Trouble<'a> {
    /// The incident.
    pub incident: &'a Incident,
    /// What detected it there.
    pub place: &'a IncidentPlace,
    /// The last rollback or withdrawal there.
    pub recovery: Option<&'a Recovery>,
}

impl Trouble<'_> {
    /// When it was over: the recovery, or where there was none, as it was resolved.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        let resolved = self.incident.resolved.as_ref().map(|(by, _)| by.recorded_at);
        self.recovery.and_then(Recovery::over_at).or(resolved)
    }
}

/// Shading for each incident, with a label where one has room.
#[must_use]
pub fn bands(troubles: &[Trouble<'_>], frame: Frame<'_>) -> Vec<Band> {
    let mut ordered: Vec<&Trouble<'_>> = troubles.iter().collect();
    ordered.sort_by_key(|trouble| (trouble.place.detected.recorded_at, trouble.place.detected.index));
    // Where the newest label of each row ends.
    let mut ends = [frame.left; LABEL_ROWS_MAX];
    ordered.into_iter().map(|trouble| band(trouble, &mut ends, frame)).collect()
}

fn band(trouble: &Trouble<'_>, ends: &mut [f64; LABEL_ROWS_MAX], frame: Frame<'_>) -> Band {
    /// As much of an incident's id as leaves room for how long it took.
    const ID_PX: f64 = 150.0;
    let incident = trouble.incident;
    let x = frame.x(trouble.place.detected.recorded_at);
    let end =
        trouble.until().map_or(frame.right, |until| frame.x(until)).max(x + 3.0).min(frame.right.max(x));
    let outcome = caption::outcome(incident, trouble.recovery, frame.doubted_from);
    let id = fitted(incident.id.as_str(), ID_PX, LABEL_FONT).unwrap_or_default();
    let label = label(&format!("{id} · {outcome}"), x, ends, frame);
    let summary =
        incident.summary.as_ref().map(|text| format!(": {}", on_one_line(text.as_str()))).unwrap_or_default();
    let title = format!(
        "incident {} ({}){summary} · detected {} (entry {}) · {outcome}",
        on_one_line(incident.id.as_str()),
        on_one_line(incident.severity.as_str()),
        frame.zone.seconds(trouble.place.detected.recorded_at),
        trouble.place.detected.index,
    );
    let is_late = trouble.recovery.and_then(Recovery::is_late) == Some(true);
    Band { x: x.min(end), end, is_late, label, title }
}

/// The first row in which a text has room at `x`, or left of it at the picture's end.
fn label(text: &str, x: f64, ends: &mut [f64; LABEL_ROWS_MAX], frame: Frame<'_>) -> Option<Label> {
    /// These labels are bold: as much wider.
    const BOLD: f64 = 1.07;
    let width = width_px(text, LABEL_FONT) * BOLD + 8.0;
    let x = (x + 4.0).min(frame.right - width);
    let row = ends.iter().position(|end| x >= *end)?;
    ends[row] = x + width;
    Some(Label { x, row, text: text.to_owned() })
}

/// Commits by the time at which they were named, with their first digits where there is room.
#[must_use]
pub fn commits<'a>(
    rows: &[Row],
    stretches: impl Iterator<Item = &'a Stretch>,
    frame: Frame<'_>,
) -> Vec<CommitMark> {
    /// Commits stand at least this far apart: nearer ones are one mark.
    const APART: f64 = 14.0;
    const FONT: f64 = 10.5;
    let mut clusters: Vec<(f64, Vec<(Timestamp, &Commit)>)> = Vec::new();
    for (time, commit) in named(rows, stretches, frame) {
        let x = frame.x(time);
        match clusters.last_mut() {
            Some((last, commits)) if x - *last < APART => commits.push((time, commit)),
            _ => clusters.push((x, vec![(time, commit)])),
        }
    }
    let next: Vec<f64> = clusters.iter().skip(1).map(|(x, _)| x - 6.0).chain([frame.right]).collect();
    let marks = clusters.iter().zip(next).map(|((x, commits), next)| {
        let text: String = match commits.as_slice() {
            [(_, one)] => one.id.chars().take(8).collect(),
            more => format!("{} commits", more.len()),
        };
        let text = Some(text).filter(|text| x + 10.0 + width_px(text, FONT) <= next);
        CommitMark { x: *x, text, title: commits_told(commits, frame.zone) }
    });
    marks.collect()
}

fn commits_told(commits: &[(Timestamp, &Commit)], zone: &Zone) -> String {
    let told = |(time, commit): &(Timestamp, &Commit)| {
        format!("{} · {}", zone.seconds(*time), caption::commit(commit))
    };
    let mut lines: Vec<String> = commits.iter().take(TITLES_MAX).map(told).collect();
    if commits.len() > TITLES_MAX {
        lines.push(format!("and {} more", commits.len() - TITLES_MAX));
    }
    lines.join("\n")
}

/// The infra commits that changes name, by time. (A registration's is that of the source code.)
fn named<'a, 'b: 'a>(
    rows: &'a [Row],
    stretches: impl Iterator<Item = &'b Stretch>,
    frame: Frame<'_>,
) -> Vec<(Timestamp, &'a Commit)> {
    let of_rows = rows.iter().filter(|row| row.entry.kind != Kind::ModelRegistered);
    let of_rows = of_rows.filter_map(|row| Some((&row.entry, row.infra.as_ref()?)));
    let of_stretches = stretches
        .filter(|stretch| stretch.authorised.recorded_at >= frame.since)
        .filter_map(|stretch| Some((&stretch.authorised, stretch.infra.as_ref()?)));
    let by_entry: BTreeMap<(Timestamp, u64), &Commit> = of_rows
        .chain(of_stretches)
        .map(|(entry, commit)| ((entry.recorded_at, entry.index), commit))
        .collect();
    let mut named: Vec<(Timestamp, &Commit)> =
        by_entry.into_iter().map(|((time, _), commit)| (time, commit)).collect();
    named.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    named
}
