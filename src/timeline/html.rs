//! A chronicle as one page: what it rests on, the picture, incidents, what served, and every entry with what leads back
//! to proof.
//!
//! The page needs nothing from outside, and nothing to run: its script adds a filter and a wider picture, no more. Its
//! policy (CSP Level 3) allows the one style and the one script that stand in it, by their hashes. Every text goes
//! through [`maud`]'s escaping.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::hash::Hash;
use crate::time::{Timestamp, span_text};

use super::caption;
use super::chronicle::{Chronicle, Details, EntryRef, Incident, Lane, Recovery, Row, Standing, Stretch};
use super::colour::Colours;
use super::label::{on_lines, on_one_line};
use super::prose::visible_json;
use super::svg;
use super::zone::Zone;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// A browser lays out this many entries with their details; a page with more would be tens of megabytes.
const ROWS_MAX: usize = 2000;
/// And as many lines of what served.
const SERVED_MAX: usize = 2000;

/// What the parts of a page need to know.
struct Page<'a> {
    chronicle: &'a Chronicle,
    zone: &'a Zone,
    colours: Colours,
    /// The entries that the page tells, to which it links.
    told: BTreeSet<u64>,
}

/// The whole page.
#[must_use]
pub fn render(chronicle: &Chronicle, zone: &Zone) -> String {
    let told = chronicle.rows.iter().take(ROWS_MAX).map(|row| row.entry.index).collect();
    let page = Page { chronicle, zone, colours: Colours::of(chronicle), told };
    page.whole().into_string()
}

/// A source of a content security policy: the hash of what may run or style.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Hash::of(text.as_bytes()).as_bytes()))
}

impl Page<'_> {
    fn whole(&self) -> Markup {
        let style = format!("{STYLE}{}", svg::STYLE);
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            source(&style),
            source(SCRIPT)
        );
        let origin = caption::origin(self.chronicle);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    title { "Timeline of " (origin) }
                    style { (PreEscaped(&style)) }
                }
                body {
                    a class="skip" href="#entries" { "Skip to the entries" }
                    header class="top" { (self.head(&origin)) }
                    main {
                        (self.picture())
                        (self.incidents())
                        (self.doubts())
                        (self.served())
                        (self.rows())
                    }
                    footer { (foot()) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
    }

    fn head(&self, origin: &str) -> Markup {
        let chronicle = self.chronicle;
        let narrowed = caption::narrowed(chronicle);
        html! {
            h1 {
                "Timeline of "
                @if let Some(incident) = &chronicle.query.incident { (on_one_line(incident.as_str())) ", " }
                (origin)
            }
            p class="soft" {
                (self.time(chronicle.since)) " to " (self.time(chronicle.until)) ", as the ledger recorded it; times in " (self.zone.name())
                @if !narrowed.is_empty() { ". Of " (narrowed.join(", ")) }
            }
            dl class="facts" {
                dt { "Verdict" }
                dd { (self.verdict()) }
                dt { "Ledger id" }
                dd {
                    @match chronicle.ledger_id {
                        Some(id) => span class="hash" { (id) },
                        None => "not known: entry 0 could not be read",
                    }
                }
                dt { "Checkpoint" }
                dd { (self.checkpoint()) }
                dt { "Detection gap" }
                dd { (self.recoveries(|recovery| recovery.detection_gap_ms().map(span_text))) }
                dt { "Failed deployment recovery time" }
                dd { (self.recoveries(caption::took)) }
            }
        }
    }

    fn verdict(&self) -> Markup {
        let class = match &self.chronicle.basis.verdict {
            Some(verdict) if verdict.is_good => "good",
            Some(verdict) if matches!(verdict.word, "violation" | "tampered") => "bad",
            Some(_) | None => "warn",
        };
        html! {
            span class={ "word " (class) } { (caption::verdict(self.chronicle)) }
            " "
            @match &self.chronicle.basis.verdict {
                None => "Nobody asked the verifier. With --trust FILE the log is verified that this page rests on.",
                Some(verdict) => {
                    (on_one_line(&verdict.line))
                    @if let Some(size) = verdict.resumed_from {
                        " It went on from what was verified before, up to size " (size) "."
                    }
                    @if let Some(held) = verdict.held {
                        " Somebody outside holds the log up to size " (held) "."
                    }
                }
            }
        }
    }

    fn checkpoint(&self) -> Markup {
        let basis = &self.chronicle.basis;
        html! {
            "size " (basis.size)
            @if let Some(root) = basis.root { ", root " span class="hash" { (root) } }
            @if let Some(at) = basis.last_recorded_at { ", last entry recorded " (self.time(at)) }
            @if let Some(note) = &basis.checkpoint {
                details {
                    summary { "The checkpoint note" }
                    pre { (on_lines(note)) }
                }
            }
        }
    }

    /// Something of each recovery, with what it is about.
    fn recoveries(&self, told: impl Fn(&Recovery) -> Option<String>) -> Markup {
        let all = self
            .chronicle
            .incidents
            .iter()
            .flat_map(|incident| incident.recoveries.iter().map(move |recovery| (incident, recovery)));
        let lines: Vec<(String, String)> = all
            .filter_map(|(incident, recovery)| {
                let (model, environment) = (&recovery.model, &recovery.environment);
                Some((told(recovery)?, on_one_line(&format!("{}, {model} in {environment}", incident.id))))
            })
            .collect();
        html! {
            @if lines.is_empty() {
                @match self.chronicle.doubted_from() {
                    Some(entry) => { "cannot be told: in doubt from entry " (entry) " on" }
                    None => "none in this time",
                }
            }
            @for (value, of) in &lines {
                div { b { (value) } " " span class="soft" { "(" (of) ")" } }
            }
        }
    }

    fn picture(&self) -> Markup {
        html! {
            section class="picture" aria-labelledby="picture" {
                h2 id="picture" { "Picture" }
                div id="picture-tools" class="filter" {}
                div class="box" role="region" aria-labelledby="picture" tabindex="0" {
                    (svg::embedded(self.chronicle, self.zone))
                }
            }
        }
    }

    fn incidents(&self) -> Markup {
        html! {
            section aria-labelledby="incidents" {
                h2 id="incidents" { "Incidents" }
                @if self.chronicle.incidents.is_empty() { p { "None was open in this time." } }
                div class="incidents" {
                    @for incident in &self.chronicle.incidents { (self.incident(incident)) }
                }
            }
        }
    }

    fn incident(&self, incident: &Incident) -> Markup {
        html! {
            article class="incident" {
                h3 { (on_one_line(incident.id.as_str())) " " span class="soft" { (on_one_line(incident.severity.as_str())) } }
                @if let Some(summary) = &incident.summary { p { (on_lines(summary.as_str())) } }
                dl {
                    @for place in &incident.places {
                        dt { "Detected" }
                        dd {
                            (self.moment(&place.detected)) " in " (place.environment.as_str())
                            @if let Some(model) = &place.model { ", " (on_one_line(model.as_str())) }
                            span class="soft" { " (noticed " (self.time(place.detected_at)) ", as claimed)" }
                        }
                    }
                    @for recovery in &incident.recoveries { (self.recovery(recovery)) }
                    dt { "Resolved" }
                    dd {
                        @match &incident.resolved {
                            Some((by, _)) => (self.moment(by)),
                            None => "not yet: it is open",
                        }
                    }
                }
            }
        }
    }

    fn recovery(&self, recovery: &Recovery) -> Markup {
        html! {
            dt { "Taken back" }
            dd {
                (self.moment(&recovery.change)) ": " (on_one_line(recovery.failed.as_str())) " of "
                (on_one_line(recovery.model.as_str())) " in " (recovery.environment.as_str())
                @if recovery.break_glass {
                    @match &recovery.ratified {
                        Some(by) => { ", break-glass, ratified " (self.moment(by)) },
                        None => ", break-glass, not ratified",
                    }
                }
            }
            @if let Some(gap) = recovery.detection_gap_ms() {
                dt { "Detection gap" }
                dd { (span_text(gap)) }
            }
            dt { "Recovery time" }
            dd {
                @match caption::took(recovery) {
                    Some(took) if recovery.is_late() == Some(true) => span class="word bad" { (took) },
                    Some(took) => b { (took) },
                    None => "not over",
                }
            }
        }
    }

    fn doubts(&self) -> Markup {
        /// More than these are counted: the verifier's report holds them all.
        const DOUBTS_MAX: usize = 100;
        let doubts = &self.chronicle.doubts;
        html! {
            @if !doubts.is_empty() {
                section aria-labelledby="doubts" {
                    h2 id="doubts" { "In doubt" }
                    ul {
                        @for doubt in doubts.iter().take(DOUBTS_MAX) {
                            li {
                                code { (on_one_line(&doubt.code)) } ", from " (self.link(doubt.from_index))
                                @match doubt.until_index {
                                    Some(until) => { " to before " (self.link(until)) },
                                    None => " to the log's end",
                                }
                                ": " (on_one_line(&doubt.message))
                            }
                        }
                        @if doubts.len() > DOUBTS_MAX { li { "and " (doubts.len() - DOUBTS_MAX) " more" } }
                    }
                }
            }
        }
    }

    fn served(&self) -> Markup {
        let stretches: Vec<(&Lane, &Stretch)> = self
            .chronicle
            .lanes
            .iter()
            .flat_map(|lane| lane.stretches.iter().map(move |stretch| (lane, stretch)))
            .collect();
        html! {
            section aria-labelledby="served" {
                h2 id="served" { "What served" }
                @if stretches.is_empty() {
                    p { "Nothing, as far as was asked for." }
                } @else {
                    table class="cards plain" role="table" {
                        caption { "What served, by environment and model; times as recorded, in " (self.zone.name()) }
                        thead { tr role="row" {
                            @for name in ["Where", "From", "Until", "Version", "Infra commit", "Who"] {
                                th scope="col" role="columnheader" { (name) }
                            }
                        } }
                        tbody {
                            @for (lane, stretch) in stretches.iter().take(SERVED_MAX) { (self.stretch(lane, stretch)) }
                        }
                    }
                    @if stretches.len() > SERVED_MAX {
                        p { "And " (stretches.len() - SERVED_MAX) " more: narrow it with --env, --model or --since." }
                    }
                }
            }
        }
    }

    fn stretch(&self, lane: &Lane, stretch: &Stretch) -> Markup {
        let colour = stretch.digest.as_ref().and_then(|digest| self.colours.colour(digest));
        html! {
            tr role="row" {
                td role="cell" data-name="Where" {
                    (on_one_line(lane.model.as_str())) br; span class="soft" { (lane.environment.as_str()) }
                }
                td role="cell" data-name="From" { (self.moment(&stretch.opened)) }
                td role="cell" data-name="Until" {
                    @match &stretch.closed {
                        Some(closed) => (self.moment(closed)),
                        None => (self.chronicle.open_end()),
                    }
                }
                td role="cell" data-name="Version" {
                    @if let Some(colour) = colour { span class="swatch" { (colour.letter()) } }
                    (on_one_line(stretch.version.as_str())) br;
                    @match stretch.digest {
                        Some(digest) => span class="hash" title=(digest) { "sha256:" (digest.short()) "…" },
                        None => span class="soft" { "digest unknown" },
                    }
                }
                td role="cell" data-name="Infra commit" {
                    @if let Some(infra) = &stretch.infra {
                        (on_one_line(infra.repository.as_str())) br;
                        span class="hash" title=(infra.id) { (infra.id.chars().take(12).collect::<String>()) "…" }
                        @if let Some(tag) = &infra.tag { " " (on_one_line(tag.as_str())) }
                    } @else { "–" }
                }
                td role="cell" data-name="Who" {
                    (caption::signers(&stretch.authorised))
                    @if stretch.opened.index != stretch.authorised.index {
                        " (put back; authorised by " (self.link(stretch.authorised.index)) ")"
                    }
                }
            }
        }
    }

    fn rows(&self) -> Markup {
        let rows = &self.chronicle.rows;
        html! {
            section aria-labelledby="entries" {
                h2 id="entries" tabindex="-1" { "Entries" }
                @if rows.is_empty() {
                    p { "None that was asked for." }
                } @else {
                    div id="row-tools" class="filter" {}
                    table class="cards" role="table" {
                        caption { (rows.len()) " entries; times as recorded, in " (self.zone.name()) }
                        thead { tr role="row" {
                            @for name in ["Entry", "Time", "What", "Who", "Leaf hash", "Verified"] {
                                th scope="col" role="columnheader" { (name) }
                            }
                        } }
                        @for row in rows.iter().take(ROWS_MAX) { (self.row(row)) }
                    }
                    @if rows.len() > ROWS_MAX {
                        p { "And " (rows.len() - ROWS_MAX) " more entries, which this page does not hold: narrow it with --since, --until, --env, --model or --kind." }
                    }
                }
            }
        }
    }

    fn row(&self, row: &Row) -> Markup {
        let entry = &row.entry;
        html! {
            tbody class="entry" id={ "entry-" (entry.index) } {
                tr role="row" {
                    td role="cell" data-name="Entry" { a href={ "#entry-" (entry.index) } { (entry.index) } }
                    td role="cell" class="time" data-name="Time" { (self.time(entry.recorded_at)) }
                    td role="cell" {
                        (on_one_line(&row.what)) " "
                        span class="soft small" { (entry.kind.as_str()) }
                        @if let Some(about) = row.about_entry { span class="small" { " about " (self.link(about)) } }
                    }
                    td role="cell" data-name="Who" { (who(entry)) }
                    td role="cell" class="hash" data-name="Leaf hash" title=(entry.leaf_hash) { (entry.leaf_hash.short()) "…" }
                    td role="cell" class="state" data-name="Verified" { (standing(&row.standing)) }
                }
                tr role="row" { td role="cell" colspan="6" { (self.details(row)) } }
            }
        }
    }

    fn details(&self, row: &Row) -> Markup {
        let entry = &row.entry;
        let index = entry.index;
        html! {
            details {
                summary aria-label={ "Details of entry " (index) } { "Details" }
                dl class="facts" {
                    dt { "Leaf hash" }
                    dd class="hash" { (entry.leaf_hash) }
                    dt { "Recorded" }
                    dd { (self.zone.rfc_3339(entry.recorded_at)) }
                    dt { "Claimed" }
                    dd { (self.zone.rfc_3339(entry.claimed_at)) }
                    @for signer in entry.signers.iter() {
                        dt { (if signer.proposed { "Proposed by" } else { "Approved by" }) }
                        dd { (on_one_line(&signer.name())) " " span class="hash" { (signer.key.fingerprint()) } }
                    }
                    @if let Standing::Doubted(codes) = &row.standing {
                        dt { "Findings" }
                        dd { (on_one_line(&codes.join(", "))) }
                    }
                }
                p { "The event" }
                pre tabindex="0" aria-label={ "Event of entry " (index) } { (event_json(row)) }
                @if let Some(details) = &row.details { (proof(details, index)) }
            }
        }
    }

    fn time(&self, time: Timestamp) -> Markup {
        html! { time datetime=(self.zone.rfc_3339(time)) { (self.zone.seconds(time)) } }
    }

    /// When an entry was recorded, and which one it is.
    fn moment(&self, entry: &EntryRef) -> Markup {
        html! { (self.time(entry.recorded_at)) " (" (self.link(entry.index)) ")" }
    }

    /// An entry, linked where this page tells it.
    fn link(&self, index: u64) -> Markup {
        html! {
            @if self.told.contains(&index) { a href={ "#entry-" (index) } { "entry " (index) } }
            @else { "entry " (index) }
        }
    }
}

/// What the page is, and how what it says is checked.
fn foot() -> Markup {
    html! {
        p {
            "This page is a copy of what the ledger says, and proves nothing by itself. What it rests on is checked with "
            code { "rollbook verify --trust trust.toml" }
            ", one entry with its proof by " code { "rollbook verify-proof" } "."
        }
    }
}

/// The signers with the beginning of their keys' fingerprints.
fn who(entry: &EntryRef) -> Markup {
    html! {
        @for signer in entry.signers.iter() {
            div {
                @if !signer.proposed { span class="soft" { "approved by " } }
                @if let Some(person) = &signer.person { (on_one_line(person.as_str())) " " }
                span class="hash soft" title=(signer.key.fingerprint()) { (beginning(&signer.key.fingerprint().to_string())) "…" }
            }
        }
    }
}

/// The name of the hash, and eight characters of it.
fn beginning(fingerprint: &str) -> String {
    fingerprint.chars().take("SHA256:".len() + 8).collect()
}

/// Whether it can be believed, in a sign and a word.
fn standing(standing: &Standing) -> Markup {
    let (class, text) = match standing {
        Standing::Unchecked => ("warn", "– not verified"),
        Standing::Sound => ("good", "✓ sound"),
        Standing::Doubted(_) => ("bad", "✗ in doubt"),
        Standing::NotJudged => ("warn", "? not judged"),
    };
    html! { span class={ "word small " (class) } { (text) } }
}

fn event_json(row: &Row) -> String {
    let json = serde_json::to_string_pretty(row.event.as_ref());
    on_lines(&visible_json(&json.expect("an event has string keys alone")))
}

fn proof(details: &Details, index: u64) -> Markup {
    html! {
        p { "Signatures over it" }
        pre tabindex="0" aria-label={ "Signatures of entry " (index) } {
            @for (key, signature) in &details.signatures { (key.fingerprint()) " " (signature) "\n" }
        }
        @match &details.proof {
            Some(proof) => {
                p { "The proof that it stands in the log (C2SP tlog-proof)" }
                pre tabindex="0" aria-label={ "Proof of entry " (index) } { (on_lines(proof)) }
                p {
                    "To check it: save the proof as " code { (index) ".tlog-proof" } ", have the entry's bytes written with "
                    code { "rollbook prove inclusion " (index) " --entry-out " (index) ".entry" } ", and run "
                    code { "rollbook verify-proof " (index) ".tlog-proof --entry " (index) ".entry --trust trust.toml" } "."
                }
            }
            None => p { "That it stands in the log could not be proved: " code { "rollbook verify" } " tells why." }
        }
    }
}
