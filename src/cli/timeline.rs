//! `rollbook timeline`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::answer::{Shown, TrustArgs, findings_told};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::terminal;
use crate::cli::view::Until;
use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::export::prove::prove_entries;
use crate::hash::Hash;
use crate::log::reader::LoggedEntry;
use crate::timeline::chronicle::{Chronicle, Details, Query};
use crate::timeline::collector::Collector;
use crate::timeline::zone::Zone;

/// Tell what happened: what served where, and every entry behind it.
///
/// Example:
///   rollbook timeline --env production --since "7d ago" --format html -o timeline.html
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
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
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
        let zone = Zone::parse(&self.tz).map_err(Failure::usage)?;
        let query = self.query(context)?;
        let (shown, mut chronicle) = tell(context, &self.trust, query)?;
        if self.format == Format::Html {
            add_details(context, &shown, &mut chronicle)?;
        }
        let text = match self.format {
            Format::Md => crate::timeline::md::render(&chronicle, &zone),
            Format::Csv => crate::timeline::csv::render(&chronicle, &zone).map_err(Failure::world)?,
            Format::Json => {
                let value = crate::timeline::json::to_value(&chronicle);
                let text = serde_json::to_string_pretty(&value).map_err(Failure::world)?;
                crate::timeline::prose::visible_json(&text)
            }
            _ => crate::timeline::text::render(&chronicle, &zone, &terminal::page(context)),
        };
        context.print(text.trim_end_matches('\n'))?;
        shown.end()
    }

    fn query(&self, context: &Context) -> Result<Query, Failure> {
        let query = Query {
            since: context.time(self.since.as_ref())?,
            until: context.time(self.until.as_ref())?,
            environment: self.env.clone(),
            model: self.model.clone(),
            incident: self.incident.clone(),
            kinds: self.kind.clone(),
            digest: self.digest,
        };
        match &self.incident {
            None => Ok(query),
            Some(id) => around(context, id, query),
        }
    }
}

/// The query for what an incident was about: the log is read once to find it.
fn around(context: &Context, id: &Name, query: Query) -> Result<Query, Failure> {
    let all = Query { incident: Some(id.clone()), kinds: vec![Kind::IncidentDetected], ..Query::default() };
    let (_, found) = tell(context, &TrustArgs::default(), all)?;
    let incident = found.incidents.last().ok_or_else(|| {
        Failure::usage(format!("no entry detects an incident `{id}`"))
            .hint("see `rollbook log --kind incident.detected`")
    })?;
    Ok(query.around(incident))
}

/// What happened, of what is asked for.
///
/// # Errors
/// The log cannot be read, or a file that was named cannot.
pub fn tell(context: &Context, trust: &TrustArgs, query: Query) -> Result<(Shown, Chronicle), Failure> {
    let mut collector = Collector::new(query);
    let shown = trust.show(context, Until::Now, &mut collector)?;
    let mut chronicle = collector.finish(shown.basis.clone());
    if let Some(report) = &shown.report {
        chronicle.judge(&findings_told(report), report.rules_judged_up_to);
    }
    Ok((shown, chronicle))
}

/// Adds to each row the signatures, and the proof that its entry stands in the log. An entry that cannot be proved
/// has none: what is wrong with it, the verifier tells.
fn add_details(context: &Context, shown: &Shown, chronicle: &mut Chronicle) -> Result<(), Failure> {
    let indexes: BTreeSet<u64> = chronicle.rows.iter().map(|row| row.entry.index).collect();
    let proofs: BTreeMap<u64, _> =
        match prove_entries(context.index_dir().as_deref(), &shown.reader, &indexes) {
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
    Ok(())
}
