//! The picture of a chronicle before it is drawn: what stands where, in pixels.
//!
//! From above: a heading; the axis; doubts; infra commits; what is about models as such; a lane for each environment
//! and model; what is about the ledger; a legend. In a lane, from above: labels of incidents, diamonds, the bar. No
//! two things of a lane stand on each other. However much a chronicle holds, a picture holds some hundreds of marks.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::time::{Timestamp, span_text};

use super::caption;
use super::chronicle::{Chronicle, Doubt, Lane, Row};
use super::colour::{Colour, Colours};
use super::label::{fitted, on_one_line, width_px};
use super::lane::{
    BAR, Band, Bar, CommitMark, Frame, LABEL_FONT, LABEL_ROW, MARK_ROW, Mark, Sign, Trouble, bands, bars,
    commits, marks,
};
use super::scale::{FOLD_PX, Scale, Tick};
use super::zone::Zone;

/// How wide a picture is: what a page of 1280 pixels shows beside its margins, and A4 across at 100 dpi.
pub const WIDTH: f64 = 1180.0;
/// The space around.
pub const MARGIN: f64 = 20.0;
/// Where times begin: left of it stand the lanes' names.
const PLOT_LEFT: f64 = 204.0;
/// More lanes than these are told in words: they would fill more than a page.
pub const LANES_MAX: usize = 12;
/// Above this many rows, diamonds stand in one row a lane, and are counted where they are near each other.
const ROWS_IN_FULL_MAX: usize = 400;
/// More doubts than these are drawn as one: what is wrong everywhere needs no borders.
const DOUBTS_MAX: usize = 40;
/// More digests than these have no place in the legend.
const LEGEND_DIGESTS_MAX: usize = 14;

/// What stands where.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// How high it is; it is [`WIDTH`] wide.
    pub height: f64,
    /// The log's name.
    pub title: String,
    /// The time that is shown, the zone, the verdict.
    pub subtitle: String,
    /// What it shows, in words.
    pub description: String,
    /// Where the times are.
    pub plot: Area,
    /// Marks of the axis.
    pub ticks: Vec<Tick>,
    /// Gaps that are folded.
    pub folds: Vec<FoldMark>,
    /// Stretches in doubt.
    pub doubts: Vec<DoubtMark>,
    /// The lanes from above. None stands on another.
    pub lanes: Vec<LanePlan>,
    /// What colours and signs mean.
    pub legend: Vec<LegendItem>,
    /// What else a reader must know.
    pub notes: Vec<Note>,
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Its left end.
    pub left: f64,
    /// Its upper end.
    pub top: f64,
    /// Its right end.
    pub right: f64,
    /// Its lower end.
    pub bottom: f64,
}

/// A gap that is folded.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldMark {
    /// Its middle.
    pub x: f64,
    /// Its length, rounded.
    pub label: String,
    /// Its length, exactly, and where it lies.
    pub title: String,
}

/// A stretch in doubt.
#[derive(Debug, Clone, PartialEq)]
pub struct DoubtMark {
    /// Where it begins.
    pub x: f64,
    /// Where it ends.
    pub end: f64,
    /// Where its label begins, and what it says.
    pub label: Option<(f64, String)>,
    /// The whole of it, in words.
    pub title: String,
}

/// A lane.
#[derive(Debug, Clone, PartialEq)]
pub struct LanePlan {
    /// What it is told by: environment and model, in full.
    pub title: String,
    /// Its name, cut to its place.
    pub name: String,
    /// What is below the name.
    pub below: String,
    /// Its upper end.
    pub top: f64,
    /// How high it is.
    pub height: f64,
    /// Where the first row of incidents' labels begins.
    pub labels_top: f64,
    /// Where the first row of diamonds begins.
    pub marks_top: f64,
    /// Where the bar begins.
    pub bars_top: f64,
    /// Incidents.
    pub bands: Vec<Band>,
    /// What happened.
    pub marks: Vec<Mark>,
    /// What served.
    pub bars: Vec<Bar>,
    /// Commits.
    pub commits: Vec<CommitMark>,
}

/// What a colour or sign means.
#[derive(Debug, Clone, PartialEq)]
pub struct LegendItem {
    /// Where it begins.
    pub x: f64,
    /// Its middle line.
    pub y: f64,
    /// What is explained.
    pub sample: Sample,
    /// What it means.
    pub text: String,
}

/// What a legend explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// A digest.
    Digest(Colour),
    /// A diamond.
    Sign(Sign),
    /// Several diamonds in one place.
    Cluster,
    /// The end of what still serves.
    Open,
    /// An incident.
    Incident,
    /// What is in doubt.
    Doubt,
    /// A folded gap.
    Fold,
    /// No picture: words.
    Words,
}

/// A line of words.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its middle line.
    pub y: f64,
    /// What it says.
    pub text: String,
}

/// Where something is told: in the order in which lanes stand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Models,
    Slot(&'a EnvironmentName, Option<&'a Name>),
    Ledger,
}

impl Picture {
    /// Lays out a chronicle.
    #[must_use]
    pub fn of(chronicle: &Chronicle, zone: &Zone) -> Self {
        /// Room at the left end for the first diamond, and at the right for the last and the tips of open bars.
        const INSET: f64 = 14.0;
        let scale = Scale::new(times(chronicle), PLOT_LEFT + INSET, WIDTH - MARGIN - INSET);
        let frame = Frame {
            scale: &scale,
            left: PLOT_LEFT,
            right: WIDTH - MARGIN,
            since: chronicle.since,
            zone,
            doubted_from: chronicle.doubted_from(),
        };
        let mut doubts = doubts(&chronicle.doubts, frame);
        let top = 112.0;
        let mut y = top + if doubts.is_empty() { 0.0 } else { LABEL_ROW + 4.0 };
        place_labels(&mut doubts, frame);
        let (mut lanes, left_out) = lanes(chronicle, frame);
        for lane in &mut lanes {
            lane.move_to(y);
            y += lane.height + 6.0;
        }
        if lanes.is_empty() {
            y += 40.0;
        }
        let plot = Area { left: PLOT_LEFT, top, right: WIDTH - MARGIN, bottom: y };
        let folds = folds(&scale, zone);
        y += if folds.is_empty() { 12.0 } else { 30.0 };
        let (legend, y) = legend(chronicle, &lanes, !folds.is_empty(), !doubts.is_empty(), y);
        let (notes, y) = notes(&lanes, left_out, &folds, y);
        Self {
            height: y + MARGIN,
            title: fitted(&caption::origin(chronicle), WIDTH - 2.0 * MARGIN, 19.0).unwrap_or_default(),
            subtitle: fitted(&subtitle(chronicle, zone), WIDTH - 2.0 * MARGIN, 12.5).unwrap_or_default(),
            description: description(chronicle, zone),
            plot,
            ticks: scale.ticks(zone),
            folds,
            doubts,
            lanes,
            legend,
            notes,
        }
    }
}

/// Every time at which something stands.
fn times(chronicle: &Chronicle) -> Vec<Timestamp> {
    let shown = |time: &Timestamp| (chronicle.since..=chronicle.until).contains(time);
    let mut times: Vec<Timestamp> = chronicle.rows.iter().map(|row| row.entry.recorded_at).collect();
    for stretch in chronicle.lanes.iter().flat_map(|lane| &lane.stretches) {
        times.push(stretch.opened.recorded_at);
        times.extend(stretch.closed.iter().map(|by| by.recorded_at));
    }
    for incident in &chronicle.incidents {
        times.extend(incident.places.iter().map(|place| place.detected.recorded_at));
        times.extend(incident.recoveries.iter().filter_map(super::chronicle::Recovery::over_at));
        times.extend(incident.resolved.iter().map(|(by, _)| by.recorded_at));
    }
    times.extend(chronicle.doubts.iter().flat_map(|doubt| [doubt.since, doubt.until]).flatten());
    times.retain(shown);
    times.extend([chronicle.since, chronicle.until]);
    times
}

fn subtitle(chronicle: &Chronicle, zone: &Zone) -> String {
    let (since, until) = (zone.seconds(chronicle.since), zone.seconds(chronicle.until));
    let mut parts = vec![format!("{since} to {until}"), format!("recorded times in {zone}")];
    parts.extend(caption::narrowed(chronicle));
    parts.push(format!("size {}, {}", chronicle.basis.size, caption::verdict(chronicle)));
    parts.join(" · ")
}

/// The picture in words, for those who do not see it.
fn description(chronicle: &Chronicle, zone: &Zone) -> String {
    let mut sentences = vec![format!(
        "{}. {} entries and {} incidents; what served in {} places:",
        subtitle(chronicle, zone),
        chronicle.rows.len(),
        chronicle.incidents.len(),
        chronicle.lanes.len()
    )];
    for lane in chronicle.lanes.iter().take(LANES_MAX) {
        let versions: Vec<&str> = lane.stretches.iter().map(|stretch| stretch.version.as_str()).collect();
        let (count, last) = (versions.len(), versions.last().copied().unwrap_or_default());
        sentences.push(on_one_line(&format!(
            "{} in {}: {count} times a version began to serve, {last} as the last.",
            lane.model, lane.environment
        )));
    }
    sentences.push("All of it stands in the tables of the timeline.".to_owned());
    sentences.join(" ")
}

/// The lanes that are drawn, not yet moved to their places; and how many are not.
fn lanes(chronicle: &Chronicle, frame: Frame<'_>) -> (Vec<LanePlan>, usize) {
    let mut rows = rows_by_place(chronicle);
    let served: BTreeMap<Place<'_>, &Lane> = chronicle
        .lanes
        .iter()
        .map(|lane| (Place::Slot(&lane.environment, Some(&lane.model)), lane))
        .collect();
    for place in served.keys() {
        rows.entry(place.clone()).or_default();
    }
    let (drawn, left_out) = chosen(chronicle, &rows, &served);
    let rows_max = if chronicle.rows.len() > ROWS_IN_FULL_MAX { 1 } else { 3 };
    let colours = Colours::of(chronicle);
    let mut plans = Vec::new();
    let stretches = chronicle.lanes.iter().flat_map(|lane| &lane.stretches);
    let commits = commits(&chronicle.rows, stretches, frame);
    if !commits.is_empty() {
        plans.push(LanePlan { commits, ..LanePlan::named("Infra commits", None) });
    }
    for (place, rows) in rows.iter().filter(|(place, _)| drawn.contains(place)) {
        let mut plan = LanePlan::of(place);
        plan.marks = marks(rows, rows_max, frame);
        plan.bars = served.get(place).map(|lane| bars(&lane.stretches, &colours, frame)).unwrap_or_default();
        plan.bands = bands(&troubles(chronicle, place), frame);
        plans.push(plan);
    }
    for plan in &mut plans {
        plan.stack();
    }
    (plans, left_out)
}

/// Which lanes are drawn: those with an incident first, then those where something served; and how many are not.
fn chosen<'a>(
    chronicle: &'a Chronicle,
    rows: &BTreeMap<Place<'a>, Vec<&'a Row>>,
    served: &BTreeMap<Place<'a>, &'a Lane>,
) -> (BTreeSet<Place<'a>>, usize) {
    let is_slot = |place: &&Place<'a>| matches!(place, Place::Slot(..));
    let mut slots: Vec<&Place<'a>> = rows.keys().filter(is_slot).collect();
    slots.sort_by_cached_key(|place| (troubles(chronicle, place).is_empty(), !served.contains_key(*place)));
    let left_out = slots.len().saturating_sub(LANES_MAX);
    slots.truncate(LANES_MAX);
    let others = rows.keys().filter(|place| !matches!(place, Place::Slot(..)));
    (slots.into_iter().chain(others).cloned().collect(), left_out)
}

fn rows_by_place(chronicle: &Chronicle) -> BTreeMap<Place<'_>, Vec<&Row>> {
    let mut out: BTreeMap<Place<'_>, Vec<&Row>> = BTreeMap::new();
    for row in &chronicle.rows {
        for place in places(row, chronicle) {
            out.entry(place).or_default().push(row);
        }
    }
    out
}

/// The lanes that a row is told in: of an incident's resolution, each where it was open.
fn places<'a>(row: &'a Row, chronicle: &'a Chronicle) -> BTreeSet<Place<'a>> {
    if let Some(environment) = &row.environment {
        return BTreeSet::from([Place::Slot(environment, row.model.as_ref())]);
    }
    if row.entry.kind == Kind::IncidentResolved {
        let resolves = |incident: &&super::chronicle::Incident| {
            incident.resolved.as_ref().is_some_and(|(by, _)| by.index == row.entry.index)
        };
        let incident = chronicle.incidents.iter().find(resolves);
        let places = incident.into_iter().flat_map(|incident| &incident.places);
        let places: BTreeSet<Place<'_>> =
            places.map(|place| Place::Slot(&place.environment, place.model.as_ref())).collect();
        if !places.is_empty() {
            return places;
        }
    }
    BTreeSet::from([if row.model.is_some() { Place::Models } else { Place::Ledger }])
}

/// The incidents that were open in a place, each once.
fn troubles<'a>(chronicle: &'a Chronicle, place: &Place<'_>) -> Vec<Trouble<'a>> {
    let Place::Slot(environment, model) = place else { return Vec::new() };
    let mut out = Vec::new();
    for incident in &chronicle.incidents {
        let here = incident.places.iter().find(|place| {
            place.environment == **environment && (place.model.is_none() || place.model.as_ref() == *model)
        });
        let Some(here) = here else { continue };
        let recovery = incident.recoveries.iter().rev().find(|recovery| {
            recovery.environment == **environment && model.is_none_or(|model| recovery.model == *model)
        });
        out.push(Trouble { incident, place: here, recovery });
    }
    out
}

impl LanePlan {
    fn named(name: &str, below: Option<&str>) -> Self {
        const ROOM: f64 = PLOT_LEFT - MARGIN - 22.0;
        let title =
            [below, Some(name)].into_iter().flatten().map(on_one_line).collect::<Vec<_>>().join(" / ");
        Self {
            title,
            name: fitted(name, ROOM, 14.5).unwrap_or_default(),
            below: below.and_then(|below| fitted(below, ROOM, LABEL_FONT)).unwrap_or_default(),
            top: 0.0,
            height: 0.0,
            labels_top: 0.0,
            marks_top: 0.0,
            bars_top: 0.0,
            bands: Vec::new(),
            marks: Vec::new(),
            bars: Vec::new(),
            commits: Vec::new(),
        }
    }

    fn of(place: &Place<'_>) -> Self {
        match place {
            Place::Models => Self::named("Models", None),
            Place::Slot(environment, Some(model)) => Self::named(model.as_str(), Some(environment.as_str())),
            Place::Slot(environment, None) => Self::named("all models", Some(environment.as_str())),
            Place::Ledger => Self::named("Ledger", None),
        }
    }

    /// Gives each row of the lane its height, from above.
    fn stack(&mut self) {
        let label_rows =
            self.bands.iter().filter_map(|band| band.label.as_ref()).map(|label| label.row + 1).max();
        let mark_rows = self.marks.iter().map(|mark| mark.row + 1).max().unwrap_or_default();
        let (pad, least) = if self.below.is_empty() { (4.0, 32.0) } else { (8.0, 54.0) };
        let content = LABEL_ROW * label_rows.unwrap_or_default() as f64
            + MARK_ROW * mark_rows as f64
            + if self.bars.is_empty() { 0.0 } else { BAR + 4.0 };
        self.height = (content + 2.0 * pad).max(least);
        self.labels_top = (self.height - content) / 2.0;
        self.marks_top = self.labels_top + LABEL_ROW * label_rows.unwrap_or_default() as f64;
        self.bars_top = self.marks_top + MARK_ROW * mark_rows as f64 + 2.0;
    }

    fn move_to(&mut self, y: f64) {
        self.top = y;
        for top in [&mut self.labels_top, &mut self.marks_top, &mut self.bars_top] {
            *top += y;
        }
    }
}

fn folds(scale: &Scale, zone: &Zone) -> Vec<FoldMark> {
    let mark = |fold: &super::scale::Fold| {
        let span_ms = fold.until.since_ms(fold.since);
        let (since, until) = (zone.seconds(fold.since), zone.seconds(fold.until));
        FoldMark {
            x: fold.x + FOLD_PX / 2.0,
            label: caption::about(span_ms),
            title: format!("folded: {} from {since} to {until}", span_text(span_ms)),
        }
    };
    scale.folds().iter().map(mark).collect()
}

/// Stretches in doubt from the left; those that touch are one, and so are all where there are too many.
fn doubts(doubts: &[Doubt], frame: Frame<'_>) -> Vec<DoubtMark> {
    /// Narrower hatching is not seen.
    const LEAST: f64 = 8.0;
    let mut spans: Vec<(f64, f64, &Doubt)> = doubts
        .iter()
        .map(|doubt| {
            let x = doubt.since.map_or(frame.left, |since| frame.scale.x(since)).min(frame.right - LEAST);
            let end = doubt.until.map_or(frame.right, |until| frame.scale.x(until));
            (x, end.max(x + LEAST), doubt)
        })
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.from_index.cmp(&b.2.from_index)));
    let are_too_many = spans.len() > DOUBTS_MAX;
    let mut merged: Vec<(f64, f64, Vec<&Doubt>)> = Vec::new();
    for (x, end, doubt) in spans {
        match merged.last_mut() {
            Some((_, last, of)) if x <= *last || are_too_many => {
                *last = last.max(end);
                of.push(doubt);
            }
            _ => merged.push((x, end, vec![doubt])),
        }
    }
    merged.into_iter().map(|(x, end, of)| DoubtMark { x, end, label: None, title: doubt_told(&of) }).collect()
}

fn doubt_told(doubts: &[&Doubt]) -> String {
    const TOLD_MAX: usize = 8;
    let told = |doubt: &&Doubt| format!("{}: {}", on_one_line(&doubt.code), on_one_line(&doubt.message));
    let mut lines: Vec<String> = doubts.iter().take(TOLD_MAX).map(told).collect();
    if doubts.len() > TOLD_MAX {
        lines.push(format!("and {} more", doubts.len() - TOLD_MAX));
    }
    lines.join("\n")
}

/// Gives each doubt its label, as far as the next one leaves room.
fn place_labels(doubts: &mut [DoubtMark], frame: Frame<'_>) {
    /// What says something at all.
    const LEAST: f64 = 110.0;
    /// A label is moved to the left by no more than what lets it say this much.
    const WANTED_MAX: f64 = 420.0;
    let mut free = frame.left;
    for index in 0..doubts.len() {
        let next = doubts.get(index + 1).map_or(frame.right, |doubt| doubt.x - 8.0);
        let doubt = &mut doubts[index];
        // Their codes are enough beside the picture: the rest stands in the title, and on the page.
        let mut codes: Vec<&str> = doubt.title.lines().filter_map(|line| line.split(':').next()).collect();
        codes.dedup();
        let text = format!("in doubt: {}", codes.join(", "));
        let wanted = width_px(&text, LABEL_FONT).clamp(LEAST, WANTED_MAX);
        let x = (doubt.x + 2.0).min(next - wanted).max(free);
        if next - x < LEAST {
            continue;
        }
        doubt.label = fitted(&text, next - x, LABEL_FONT).map(|text| (x, text));
        if let Some((x, text)) = &doubt.label {
            free = x + width_px(text, LABEL_FONT) + 8.0;
        }
    }
}

/// What is to be explained, in lines from `y`; and where they end.
fn legend(
    chronicle: &Chronicle,
    lanes: &[LanePlan],
    folds: bool,
    doubts: bool,
    y: f64,
) -> (Vec<LegendItem>, f64) {
    const LINE: f64 = 24.0;
    let mut flow = Flow { items: Vec::new(), x: MARGIN, y: y + LINE / 2.0 };
    for (sample, text) in digests_explained(chronicle) {
        flow.add(sample, &text, LINE);
    }
    if !flow.items.is_empty() {
        flow.break_line(LINE);
    }
    let all = || lanes.iter().flat_map(|lane| &lane.marks);
    let signs: BTreeSet<Sign> = all().filter(|mark| mark.count == 1).map(|mark| mark.sign).collect();
    for sign in signs {
        flow.add(Sample::Sign(sign), sign.word(), LINE);
    }
    let is_open = |lane: &LanePlan| lane.bars.iter().any(|bar| bar.is_open);
    let others = [
        (all().any(|mark| mark.count > 1), Sample::Cluster, "several entries"),
        (lanes.iter().any(is_open), Sample::Open, "still serves"),
        (lanes.iter().any(|lane| !lane.bands.is_empty()), Sample::Incident, "incident, until recovery"),
        (doubts, Sample::Doubt, "in doubt, or not known"),
        (folds, Sample::Fold, "time folded"),
    ];
    for (_, sample, text) in others.into_iter().filter(|(is_there, _, _)| *is_there) {
        flow.add(sample, text, LINE);
    }
    let end = if flow.x > MARGIN { flow.y + LINE / 2.0 } else { flow.y - LINE / 2.0 };
    (flow.items, end)
}

/// Where the next item of a legend stands.
struct Flow {
    items: Vec<LegendItem>,
    x: f64,
    y: f64,
}

impl Flow {
    fn add(&mut self, sample: Sample, text: &str, line: f64) {
        const SAMPLE: f64 = 28.0;
        let text = fitted(text, 320.0, LABEL_FONT).unwrap_or_default();
        let width = SAMPLE + width_px(&text, LABEL_FONT) + 16.0;
        if self.x > MARGIN && self.x + width > WIDTH - MARGIN {
            self.break_line(line);
        }
        self.items.push(LegendItem { x: self.x, y: self.y, sample, text });
        self.x += width;
    }

    fn break_line(&mut self, line: f64) {
        self.x = MARGIN;
        self.y += line;
    }
}

/// Each digest that served, with the versions that it served as.
fn digests_explained(chronicle: &Chronicle) -> Vec<(Sample, String)> {
    const NAMES_MAX: usize = 2;
    let all = Colours::of(chronicle).all();
    let mut names: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for lane in &chronicle.lanes {
        for stretch in &lane.stretches {
            let Some(digest) = stretch.digest else { continue };
            let known = names.entry(digest).or_default();
            let name = format!("{} {}", lane.model, stretch.version);
            if known.len() < NAMES_MAX && !known.contains(&name) {
                known.push(name);
            }
        }
    }
    let explained = all.iter().take(LEGEND_DIGESTS_MAX).map(|(colour, digest)| {
        let names = names.get(digest).map(|names| names.join(", ")).unwrap_or_default();
        (Sample::Digest(*colour), format!("{} {names}", digest.short()))
    });
    let mut explained: Vec<_> = explained.collect();
    if all.len() > LEGEND_DIGESTS_MAX {
        explained.push((Sample::Words, format!("and {} more digests", all.len() - LEGEND_DIGESTS_MAX)));
    }
    explained
}

/// What else a reader must know, in lines from `y`; and where they end.
fn notes(lanes: &[LanePlan], left_out: usize, folds: &[FoldMark], y: f64) -> (Vec<Note>, f64) {
    const LINE: f64 = 18.0;
    let mut texts = Vec::new();
    if left_out > 0 {
        texts.push(format!(
            "And {left_out} more lanes, which are not drawn: narrow it with --env or --model."
        ));
    }
    if !lanes.is_empty() {
        let folds = if folds.is_empty() { "" } else { "; folded stretches are not to scale" };
        texts.push(format!(
            "Times as recorded by the ledger. Very short steps are widened to be seen{folds}."
        ));
    }
    let mut y = y + 4.0;
    let mut notes = Vec::new();
    for text in texts {
        notes.push(Note { y: y + LINE / 2.0, text });
        y += LINE;
    }
    (notes, y)
}
