//! `rollbook timeline`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::answer::{Shown, TrustArgs, check_known, found_told};
use crate::cli::context::{Context, json_line};
use crate::cli::failure::Failure;
use crate::cli::record::{check_free, form_of, write_file};
use crate::cli::terminal;
use crate::cli::view::Until;
use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::export::prove::prove_entries;
use crate::hash::Hash;
use crate::log::reader::LoggedEntry;
use crate::time::Timestamp;
use crate::timeline::chronicle::{Chronicle, Details, Incident, IncidentPlace, Query, Recovery};
use crate::timeline::collector::Collector;
use crate::timeline::text::Page;
use crate::timeline::zone::Zone;
use crate::timeline::{csv, html, json as as_json, md, svg, text};
use crate::words::counted;

/// The most entries of a page, a picture or a post-mortem: more, nobody looks at, and a browser gets slow.
const ROWS_MAX: usize = 5_000;

/// The most entries of a JSON object, which is made whole in memory: some 18 KB each while it is.
const ROWS_OF_JSON_MAX: usize = 50_000;

/// Tell what happened: what served where, and every entry behind it, as a picture or a table.
///
/// From a ledger, or an evidence pack of one (--ledger). With --trust the log that it rests on is
/// verified as it is read, what cannot be believed is marked, and the exit code is the verdict's, as
/// `rollbook verify` gives it. With --incident it tells what led to the incident and what came of it.
///
/// Times are recorded times, by which it is decided what serves. Formats: html is one page that needs no
/// network and no script, for a browser or a printer; svg is its picture; md is for a post-mortem; csv
/// and json are for other programs (docs/timelines.md); text is for a terminal.
///
/// Example:
///   rollbook timeline --env production --since "7d ago"
///   rollbook timeline --incident INC-7 --trust trust.toml --format html -o INC-7.html
///   rollbook timeline --ledger pack --model credit-scorer --tz Europe/Berlin --format md
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Timeline {
    /// Only this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only this model
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// What led to this incident, and what came of it
    #[arg(long, value_name = "ID")]
    pub incident: Option<Name>,
    /// From this recorded time on
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this recorded time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only rows of this kind, such as model.promoted; repeats
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<Kind>,
    /// Only what is about this model digest
    #[arg(long, value_name = "D")]
    pub digest: Option<Hash>,
    /// In which form; unless given, that of the file's extension, or text
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Where it goes; unless given, stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write over a file that exists
    #[arg(long)]
    pub force: bool,
    /// The time zone that times are told in, by its IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub tz: String,
    /// What makes it believable.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// In which form a timeline is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One page that holds all it needs
    Html,
    /// The picture alone
    Svg,
    /// For a post-mortem: a Mermaid chart and a table
    Md,
    /// A row an entry (RFC 4180)
    Csv,
    /// One object
    Json,
    /// For a terminal
    Text,
}

impl Timeline {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let zone = Zone::parse(&self.tz).map_err(|error| {
            Failure::usage(error).hint("see `timedatectl list-timezones`; UTC is the default")
        })?;
        check_free(self.output.as_deref(), self.force)?;
        let (shown, mut chronicle) = tell(context, &self.trust, self.query(context)?)?;
        let format = self.format(context)?;
        check_rows(format, &chronicle)?;
        if format == Format::Html {
            add_details(context, &shown, &mut chronicle);
        }
        let page = terminal::page(context);
        let page = if self.output.is_some() { Page { width: None, styled: false, ..page } } else { page };
        let rendered = render(format, &chronicle, &zone, &page)?;
        match &self.output {
            Some(path) => {
                write_file(path, &rendered, self.force)?;
                say_written(context, path, &chronicle)?;
            }
            None => context.print(rendered.trim_end_matches('\n'))?,
        }
        if let Some(told) = chronicle.basis.verdict.as_ref().filter(|told| !told.is_good) {
            context.say(&told.line);
        }
        shown.end()
    }

    /// The form that is asked for, or that the file's name says.
    fn format(&self, context: &Context) -> Result<Format, Failure> {
        let unless_told = if context.json() && self.output.is_none() { Format::Json } else { Format::Text };
        match self.format {
            Some(format) if context.json() && self.output.is_none() && format != Format::Json => {
                Err(Failure::usage("--json and another --format ask for two forms at once")
                    .hint("say one of them"))
            }
            Some(format) => Ok(format),
            None => Ok(form_of(self.output.as_deref()).unwrap_or(unless_told)),
        }
    }

    fn query(&self, context: &Context) -> Result<Query, Failure> {
        let (since, until) = context.range(self.since.as_ref(), self.until.as_ref())?;
        let query = Query {
            since,
            until,
            environment: self.env.clone(),
            model: self.model.clone(),
            incident: self.incident.clone(),
            kinds: self.kind.clone(),
            digest: self.digest,
        };
        match &self.incident {
            None => Ok(query),
            Some(id) => around(context, &self.trust, id, &query),
        }
    }
}

fn say_written(context: &Context, path: &Path, chronicle: &Chronicle) -> Result<(), Failure> {
    let entries = chronicle.rows.len();
    if context.json() {
        let verdict = chronicle.basis.verdict.as_ref().map(|told| told.word);
        return context.print_json(&json!({ "written": path, "entries": entries, "verdict": verdict }));
    }
    context.say(format_args!("{}: {}", path.display(), counted(entries as u64, "entry", "entries")));
    Ok(())
}

/// Refuses what would be too much to look at.
fn check_rows(format: Format, chronicle: &Chronicle) -> Result<(), Failure> {
    let served = chronicle.lanes.iter().map(|lane| lane.stretches.len()).sum::<usize>();
    let parts = chronicle.rows.len().max(served).max(chronicle.incidents.len());
    let (most, what_for) = match format {
        Format::Html | Format::Svg | Format::Md => (ROWS_MAX, "to look at"),
        Format::Json => (ROWS_OF_JSON_MAX, "for one object"),
        Format::Csv | Format::Text => return Ok(()),
    };
    if parts <= most {
        return Ok(());
    }
    let message = format!("{parts} entries or intervals are too many {what_for}: at most {most}");
    Err(Failure::usage(message).hint(
        "narrow it with --since, --until, --env, --model or --kind; csv and `export events` take any number",
    ))
}

/// What was told, in one of the forms.
fn render(format: Format, chronicle: &Chronicle, zone: &Zone, page: &Page) -> Result<String, Failure> {
    Ok(match format {
        Format::Html => html::render(chronicle, zone),
        Format::Svg => svg::render(chronicle, zone),
        Format::Md => md::render(chronicle, zone),
        Format::Csv => csv::render(chronicle, zone).map_err(Failure::world)?,
        Format::Json => json_line(&as_json::to_value(chronicle))? + "\n",
        Format::Text => text::render(chronicle, zone, page),
    })
}

/// The query for what an incident was about: the log is read once to find it. A log that cannot be read to its end, and is
/// to be verified, is told of whole: the verifier says what is wrong with it.
fn around(context: &Context, trust: &TrustArgs, id: &Name, query: &Query) -> Result<Query, Failure> {
    let all = Query { incident: Some(id.clone()), kinds: vec![Kind::LedgerCreated], ..Query::default() };
    let (mut shown, found) = match tell(context, &TrustArgs::default(), all) {
        Ok(told) => told,
        Err(_) if trust.trust.is_some() => return Ok(query.clone()),
        Err(failure) => return Err(failure),
    };
    let asked = |place: &IncidentPlace| query.takes_in_place(Some(&place.environment), place.model.as_ref());
    let episodes: Vec<&Incident> =
        found.incidents.iter().filter(|incident| incident.places.iter().any(asked)).collect();
    let (Some(first), Some(last)) = (episodes.first(), episodes.last()) else {
        let there = if found.incidents.is_empty() { "" } else { " there" };
        return Err(Failure::usage(format!("no entry detects an incident `{id}`{there}"))
            .hint("see `rollbook log --kind incident.detected`"));
    };
    let since =
        registration_of_failed(&mut shown, &episodes)?.into_iter().chain(query.around(first).since).min();
    let query = Query { since: query.since.or(since), ..query.around(last) };
    match query.since.zip(query.until) {
        Some((since, until)) if since >= until => {
            Err(Failure::usage(format!("incident `{id}` was not open between these times"))
                .hint("leave out --since and --until: it is told from what led to it on"))
        }
        _ => Ok(query),
    }
}

/// When what failed was registered: what led to an incident begins there.
fn registration_of_failed(shown: &mut Shown, episodes: &[&Incident]) -> Result<Option<Timestamp>, Failure> {
    let mut first = None;
    for Recovery { model, failed, .. } in episodes.iter().flat_map(|incident| &incident.recoveries) {
        let Ok(row) = shown.state.version(model, failed);
        if let Some((row, reader)) = row.zip(shown.reader.as_ref()) {
            let registered_at = reader.entry(row.entry)?.0.entry.recorded_at;
            first = first.into_iter().chain([registered_at]).min();
        }
    }
    Ok(first)
}

/// What happened, of what is asked for.
///
/// # Errors
/// The log cannot be read, or a file that was named cannot.
pub fn tell(context: &Context, trust: &TrustArgs, query: Query) -> Result<(Shown, Chronicle), Failure> {
    let mut collector = Collector::new(query);
    let mut shown = trust.show(context, Until::Now, &mut collector)?;
    let mut chronicle = collector.finish(shown.basis.clone());
    if shown.report.as_ref().is_none_or(|report| report.verdict.exit_code() != 1) {
        let Query { environment, model, .. } = &chronicle.query;
        check_known(context, &mut shown.state, environment.as_ref(), model.as_ref())?;
    }
    if let Some(report) = &shown.report {
        chronicle.judge(&found_told(report));
    }
    Ok((shown, chronicle))
}

/// Adds to each row the signatures, and the proof that its entry stands in the log. An entry that cannot be proved
/// has none: what is wrong with it, the verifier tells.
fn add_details(context: &Context, shown: &Shown, chronicle: &mut Chronicle) {
    let Some(reader) = &shown.reader else { return };
    let indexes: BTreeSet<u64> = chronicle.rows.iter().map(|row| row.entry.index).collect();
    let proofs: BTreeMap<u64, _> = match prove_entries(context.index_dir().as_deref(), reader, &indexes) {
        Ok(proved) => proved.into_iter().map(|proved| (proved.proof.index(), proved)).collect(),
        Err(_) => BTreeMap::new(),
    };
    for row in &mut chronicle.rows {
        let Some(proved) = proofs.get(&row.entry.index) else { continue };
        let Ok(logged) = LoggedEntry::from_bytes(row.entry.index, &proved.entry) else { continue };
        if logged.leaf_hash != row.entry.leaf_hash {
            continue;
        }
        let signatures = logged.entry.envelope.signatures().iter();
        row.details = Some(Details {
            signatures: signatures.map(|one| (one.key, hex::encode(one.signature.as_bytes()))).collect(),
            proof: Some(String::from_utf8_lossy(&proved.proof.encode()).into_owned()),
        });
    }
}
