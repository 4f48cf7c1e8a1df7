//! The picture of a chronicle as SVG 1.1.
//!
//! It carries its own style, for light and dark, and needs nothing else. Every text goes through [`maud`]'s escaping,
//! which is HTML's: the five characters that it escapes are those that XML needs escaped.

use maud::{Markup, PreEscaped, html};

use super::chronicle::Chronicle;
use super::colour::Colour;
use super::label::on_lines;
use super::lane::{BAR, Band, Bar, CommitMark, LABEL_ROW, MARK_ROW, Mark, Sign};
use super::layout::{DoubtMark, FoldMark, LanePlan, LegendItem, MARGIN, Picture, Sample, WIDTH};
use super::scale::{FOLD_PX, Tick};
use super::zone::Zone;

/// What the picture looks like.
pub const STYLE: &str = include_str!("picture.css");

/// Half a diamond's diagonal.
const DIAMOND: f64 = 10.0;

/// A document of its own.
#[must_use]
pub fn render(chronicle: &Chronicle, zone: &Zone) -> String {
    let drawn = draw(&Picture::of(chronicle, zone), true);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", drawn.into_string())
}

/// A part of a page that brings [`STYLE`] itself, and shows the title in a heading.
#[must_use]
pub fn embedded(chronicle: &Chronicle, zone: &Zone) -> Markup {
    draw(&Picture::of(chronicle, zone), false)
}

fn draw(picture: &Picture, is_alone: bool) -> Markup {
    // Without the heading, the picture begins at its axis.
    let top = if is_alone { 0.0 } else { 66.0 };
    let height = picture.height - top;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="rb-picture" role="img" aria-labelledby="rb-title rb-desc"
            viewBox={ "0 " (px(top)) " " (px(WIDTH)) " " (px(height)) } width=(px(WIDTH)) height=(px(height)) {
            title id="rb-title" { "Timeline of " (picture.title) }
            desc id="rb-desc" { (picture.description) }
            @if is_alone { style { (PreEscaped(STYLE)) } }
            defs {
                pattern id="rb-hatching" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line class="rb-hatch" x1="0" y1="0" x2="0" y2="8" {}
                }
            }
            @if is_alone {
                rect class="rb-page" x="0.5" y="0.5" width=(px(WIDTH - 1.0)) height=(px(height - 1.0)) rx="8" {}
                text class="rb-title" x=(px(MARGIN)) y="38" { (picture.title) }
                text class="rb-sub" x=(px(MARGIN)) y="60" { (picture.subtitle) }
            }
            (grounds(picture))
            (axis(picture))
            @for fold in &picture.folds { (fold_mark(fold, picture)) }
            @for doubt in &picture.doubts { (doubt_mark(doubt, picture)) }
            @for lane in &picture.lanes { (lane_group(lane, is_alone)) }
            @if picture.lanes.is_empty() {
                text class="rb-sub" x=(px(picture.plot.left + 16.0)) y=(px(picture.plot.top + 25.0)) {
                    "Nothing that was asked for happened in this time."
                }
            }
            @for item in &picture.legend { (legend_item(item)) }
            @for note in &picture.notes {
                text class="rb-note" x=(px(MARGIN)) y=(px(note.y + 4.0)) { (note.text) }
            }
        }
    }
}

/// What the lanes lie on.
fn grounds(picture: &Picture) -> Markup {
    html! {
        @for lane in &picture.lanes {
            rect class=(if lane.below.is_empty() { "rb-thin" } else { "rb-ground" }) x=(px(MARGIN)) y=(px(lane.top))
                width=(px(WIDTH - 2.0 * MARGIN)) height=(px(lane.height)) rx="5" {}
        }
    }
}

fn axis(picture: &Picture) -> Markup {
    let (top, bottom) = (picture.plot.top, picture.plot.bottom - 6.0);
    html! {
        g class="rb-axis" {
            @for Tick { x, time, date } in &picture.ticks {
                line class="rb-grid" x1=(px(*x)) x2=(px(*x)) y1=(px(top - 14.0)) y2=(px(bottom)) {}
                @if let Some(date) = date {
                    text class="rb-date rb-label" x=(px(x + 4.0)) y=(px(top - 21.0)) { (date) }
                }
                text class="rb-time rb-label" x=(px(x + 4.0)) y=(px(top - 6.0)) { (time) }
            }
        }
    }
}

fn fold_mark(fold: &FoldMark, picture: &Picture) -> Markup {
    /// How wide the torn strip is.
    const STRIP: f64 = 12.0;
    let (top, bottom) = (picture.plot.top, picture.plot.bottom - 6.0);
    html! {
        g class="rb-folded" {
            title { (fold.title) }
            path class="rb-fold" d=(torn(fold.x, STRIP, top, bottom)) {}
            path class="rb-zigzag" d=(zigzag(fold.x - STRIP / 2.0, top, bottom)) {}
            path class="rb-zigzag" d=(zigzag(fold.x + STRIP / 2.0, top, bottom)) {}
            text class="rb-gap rb-label" x=(px(fold.x)) y=(px(bottom + 18.0)) text-anchor="middle" textLength=[squeezed(&fold.label)] {
                (fold.label)
            }
        }
    }
}

/// A fold's label is short; one that was wider than its fold would touch its neighbour's.
fn squeezed(label: &str) -> Option<String> {
    (super::label::width_px(label, super::lane::LABEL_FONT) > FOLD_PX).then(|| px(FOLD_PX - 4.0))
}

/// A line that goes to and fro, from above.
fn zigzag(x: f64, top: f64, bottom: f64) -> String {
    let mut path = format!("M{} {}", px(x), px(top));
    for (step, y) in teeth(top, bottom) {
        path += &format!("L{} {}", px(x + step), px(y));
    }
    path
}

/// What lies between two such lines.
fn torn(x: f64, strip: f64, top: f64, bottom: f64) -> String {
    let mut path = zigzag(x - strip / 2.0, top, bottom);
    let teeth: Vec<(f64, f64)> = teeth(top, bottom).collect();
    for (step, y) in teeth.iter().rev() {
        path += &format!("L{} {}", px(x + strip / 2.0 + step), px(*y));
    }
    path + &format!("L{} {}Z", px(x + strip / 2.0), px(top))
}

fn teeth(top: f64, bottom: f64) -> impl Iterator<Item = (f64, f64)> {
    const TOOTH: f64 = 7.0;
    let mut y = top;
    let mut step = 3.0;
    std::iter::from_fn(move || {
        (y < bottom).then(|| {
            y = (y + TOOTH).min(bottom);
            step = -step;
            (step, y)
        })
    })
}

fn doubt_mark(doubt: &DoubtMark, picture: &Picture) -> Markup {
    let (top, bottom) = (picture.plot.top, picture.plot.bottom - 6.0);
    html! {
        g class="rb-doubts" {
            title { (on_lines(&doubt.title)) }
            rect class="rb-hatched" fill="url(#rb-hatching)" x=(px(doubt.x)) width=(px(doubt.end - doubt.x))
                y=(px(top + LABEL_ROW + 2.0)) height=(px(bottom - top - LABEL_ROW - 2.0)) {}
            @if let Some((x, text)) = &doubt.label {
                text class="rb-doubt rb-label" x=(px(*x)) y=(px(top + 13.0)) { (text) }
            }
        }
    }
}

fn lane_group(lane: &LanePlan, is_alone: bool) -> Markup {
    html! {
        g class="rb-lane" data-lane=(lane.title) {
            rect fill="none" x=(px(MARGIN)) y=(px(lane.top)) width=(px(WIDTH - 2.0 * MARGIN)) height=(px(lane.height)) {}
            @for band in &lane.bands { (band_shade(band, lane)) }
            g {
                title { (lane.title) }
                @if lane.below.is_empty() {
                    text class="rb-name rb-label" x=(px(MARGIN + 12.0)) y=(px(lane.top + lane.height / 2.0 + 4.5)) { (lane.name) }
                } @else {
                    text class="rb-name rb-label" x=(px(MARGIN + 12.0)) y=(px(lane.top + lane.height / 2.0 - 3.0)) { (lane.name) }
                    text class="rb-below rb-label" x=(px(MARGIN + 12.0)) y=(px(lane.top + lane.height / 2.0 + 13.0)) { (lane.below) }
                }
            }
            @for commit in &lane.commits { (commit_mark(commit, lane.top + lane.height / 2.0)) }
            @for bar in &lane.bars { (bar_shape(bar, lane.bars_top)) }
            @for band in &lane.bands { (band_label(band, lane)) }
            @for mark in &lane.marks { (mark_shape(mark, lane.marks_top, is_alone)) }
        }
    }
}

fn band_shade(band: &Band, lane: &LanePlan) -> Markup {
    let (top, bottom) = (lane.top, lane.top + lane.height);
    html! {
        g class="rb-incident" {
            title { (band.title) }
            rect class=(if band.is_late { "rb-band rb-late" } else { "rb-band" })
                x=(px(band.x)) width=(px(band.end - band.x)) y=(px(top)) height=(px(bottom - top)) {}
            line class="rb-edge" x1=(px(band.x)) x2=(px(band.x)) y1=(px(top)) y2=(px(bottom)) {}
        }
    }
}

fn band_label(band: &Band, lane: &LanePlan) -> Markup {
    html! {
        @if let Some(label) = &band.label {
            text class="rb-trouble rb-label" x=(px(label.x)) y=(px(lane.labels_top + LABEL_ROW * label.row as f64 + 12.5)) {
                (label.text)
            }
        }
    }
}

fn commit_mark(commit: &CommitMark, y: f64) -> Markup {
    html! {
        g class="rb-mark" {
            title { (on_lines(&commit.title)) }
            circle class="rb-commit" cx=(px(commit.x)) cy=(px(y)) r="4" {}
        }
        @if let Some(text) = &commit.text {
            text class="rb-hash rb-label" x=(px(commit.x + 8.0)) y=(px(y + 3.5)) { (text) }
        }
    }
}

fn bar_shape(bar: &Bar, top: f64) -> Markup {
    let class = bar.colour.map_or_else(|| "rb-none".to_owned(), Colour::class);
    let text_x = bar.x + if bar.began_before { 16.0 } else { 8.0 };
    html! {
        g class="rb-serves" data-digest=[bar.letter.as_deref()] {
            title { (on_lines(&bar.title)) }
            path class={ "rb-bar " (class) } d=(bar_path(bar, top)) {}
            @if bar.letter.is_some() || bar.text.is_some() {
                text class="rb-label" x=(px(text_x)) y=(px(top + BAR / 2.0 + 4.0)) {
                    @if let Some(letter) = &bar.letter {
                        tspan class="rb-letter" { (letter) }
                    }
                    @if let Some(text) = &bar.text {
                        @if bar.letter.is_some() { tspan dx="8" { (text) } } @else { (text) }
                    }
                }
            }
        }
    }
}

/// A box; notched where it began before the picture, pointed where it goes on.
fn bar_path(bar: &Bar, top: f64) -> String {
    const TIP: f64 = 9.0;
    // Neighbours are told apart by a pixel and a half.
    let (left, right) = (bar.x + 0.75, (bar.end - 0.75).max(bar.x + 1.75));
    let (middle, bottom) = (top + BAR / 2.0, top + BAR);
    let tip = if bar.is_open { TIP.min(right - left) } else { 0.0 };
    let notch = if bar.began_before { TIP.min((right - left) / 2.0) } else { 0.0 };
    let mut path = format!("M{} {}H{}", px(left), px(top), px(right - tip));
    if bar.is_open {
        path += &format!("L{} {}", px(right), px(middle));
    }
    path += &format!("L{} {}H{}", px(right - tip), px(bottom), px(left));
    if bar.began_before {
        path += &format!("L{} {}", px(left + notch), px(middle));
    }
    path + "Z"
}

fn mark_shape(mark: &Mark, top: f64, is_alone: bool) -> Markup {
    let y = top + MARK_ROW * mark.row as f64 + MARK_ROW / 2.0;
    let doubted = if mark.is_doubted { " rb-doubted" } else { "" };
    let shape = html! {
        title { (on_lines(&mark.title)) }
        @if mark.count == 1 {
            path class="rb-diamond" d=(diamond(mark.x, y)) {}
            (glyph(mark.sign, mark.x, y))
        } @else {
            circle class="rb-many" cx=(px(mark.x)) cy=(px(y)) r="9.5" {}
            text class="rb-count" x=(px(mark.x)) y=(px(y + 3.6)) { (count(mark.count)) }
        }
    };
    html! {
        g class={ "rb-mark " (family(mark.sign)) (doubted) } data-entry=(mark.entry) {
            // The tables below hold the same links: a keyboard need not step through the picture.
            @if is_alone { (shape) } @else { a href={ "#entry-" (mark.entry) } tabindex="-1" { (shape) } }
        }
    }
}

fn count(count: usize) -> String {
    if count > 99 { "99+".to_owned() } else { count.to_string() }
}

fn diamond(x: f64, y: f64) -> String {
    let (left, right, top, bottom) = (px(x - DIAMOND), px(x + DIAMOND), px(y - DIAMOND), px(y + DIAMOND));
    format!("M{left} {y}L{x} {top}L{right} {y}L{x} {bottom}Z", x = px(x), y = px(y))
}

/// How a diamond is filled.
const fn family(sign: Sign) -> &'static str {
    match sign {
        Sign::Promoted => "rb-go",
        Sign::RolledBack | Sign::Withdrawn => "rb-back",
        Sign::Incident | Sign::Failed => "rb-bad",
        Sign::Drift => "rb-warn",
        Sign::Registered
        | Sign::Passed
        | Sign::Completed
        | Sign::Resolved
        | Sign::DriftOver
        | Sign::Retired
        | Sign::Ratified
        | Sign::Other => "rb-plain",
    }
}

/// What stands in a diamond.
fn glyph(sign: Sign, x: f64, y: f64) -> Markup {
    let path = match sign {
        Sign::Other => "M0-.2V.2",
        Sign::Ratified => "M-3-1.5H3M-3 1.5H3",
        Sign::Registered => "M-3.5 0H3.5M0-3.5V3.5",
        Sign::Passed => "M-3.3.2L-1 2.6L3.3-2.4",
        Sign::Completed => "M-2.2 0A2.2 2.2 0 1 0 2.2 0A2.2 2.2 0 1 0-2.2 0Z",
        Sign::Resolved => "M0-3.4V.6M0 3.2V3.4M-4.2-4.2M-4 4L4-4",
        Sign::DriftOver | Sign::Drift => "M-4 1.2C-2.6-3-1.2-2 0 0S2.6 3 4-1.2",
        Sign::Retired => "M-2.5-2.5H2.5V2.5H-2.5Z",
        Sign::Promoted => "M0 3.8V-3.6M-3-.8L0-3.8L3-.8",
        Sign::Failed => "M-2.6-2.6L2.6 2.6M2.6-2.6L-2.6 2.6",
        Sign::Withdrawn => "M-3.5 0H3.5",
        Sign::RolledBack => "M3.8 0H-3.6M-.8-3L-3.8 0L-.8 3",
        Sign::Incident => "M0-4V.9M0 3.6V3.8",
    };
    html! {
        path class="rb-glyph" transform={ "translate(" (px(x)) " " (px(y)) ")" } d=(path) {}
    }
}

fn legend_item(item: &LegendItem) -> Markup {
    let LegendItem { x, y, sample, text } = item;
    let (middle, text_x) = (x + 10.0, x + if *sample == Sample::Words { 0.0 } else { 28.0 });
    html! {
        g class="rb-legend" {
            @match sample {
                Sample::Digest(colour) => {
                    rect class={ "rb-bar " (colour.class()) } x=(px(*x)) y=(px(y - 9.0)) width="22" height="18" rx="3" {}
                    text class="rb-letter" x=(px(x + 11.0)) y=(px(y + 4.0)) text-anchor="middle" { (colour.letter()) }
                }
                Sample::Sign(sign) => g class=(family(*sign)) {
                    path class="rb-diamond" d=(diamond(middle, *y)) {}
                    (glyph(*sign, middle, *y))
                }
                Sample::Cluster => {
                    circle class="rb-many" cx=(px(middle)) cy=(px(*y)) r="9.5" {}
                    text class="rb-count" x=(px(middle)) y=(px(y + 3.6)) { "3" }
                }
                Sample::Open => path class="rb-bar rb-none" d={
                    "M" (px(*x)) " " (px(y - 8.0)) "H" (px(x + 14.0)) "L" (px(x + 22.0)) " " (px(*y)) "L" (px(x + 14.0)) " " (px(y + 8.0)) "H" (px(*x)) "Z"
                } {}
                Sample::Incident => {
                    rect class="rb-band" x=(px(*x)) y=(px(y - 9.0)) width="22" height="18" {}
                    line class="rb-edge" x1=(px(*x)) x2=(px(*x)) y1=(px(y - 9.0)) y2=(px(y + 9.0)) {}
                }
                Sample::Doubt => rect class="rb-hatched" fill="url(#rb-hatching)" x=(px(*x)) y=(px(y - 9.0)) width="22" height="18" {},
                Sample::Fold => {
                    path class="rb-zigzag" d=(zigzag(x + 7.0, y - 9.0, y + 9.0)) {}
                    path class="rb-zigzag" d=(zigzag(x + 16.0, y - 9.0, y + 9.0)) {}
                }
                Sample::Words => {}
            }
            text class="rb-label" x=(px(text_x)) y=(px(y + 4.0)) { (text) }
        }
    }
}

/// A length to a tenth of a pixel, without a fraction that is zero.
fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
