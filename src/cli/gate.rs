//! `rollbook gate`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::kept;
use crate::cli::progress;
use crate::cli::verify::{read_trust, unverified};
use crate::event::model::ForeignDigest;
use crate::event::release::Serving;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::lifecycle::state::{Row, RowKey, State, VersionRow};
use crate::time::{Timestamp, parse_span_ms, span_text};
use crate::timeline::prose::{seconds, visible};
use crate::verifier::finding::{Class, Found};
use crate::verifier::held::Shortfall;
use crate::verifier::kept::EarlierIds;
use crate::verifier::report::{Anchored, Report, Verdict, shortfall_words};
use crate::verifier::verify::{Judged, Options, judge_dir};

/// Say whether a model may be served in an environment: exit 0 if the ledger says so, else 1.
///
/// The gate is open only if this digest is what serves there by an authorised promotion or rollback, and
/// is neither withdrawn nor retired. The whole log is verified for it, signatures and rules included,
/// or what came since --state was kept; the index is not believed. It says size and age of what it judged, and every reason to be closed.
/// What a promotion still lacks, `rollbook promote --dry-run` tells.
///
/// Where the trust root names a quorum of witnesses, the gate stays closed as long as the log extends
/// no checkpoint that they cosigned.
///
/// Exit codes: 0 open; 1 closed; 2 the command line or trust root is wrong; 3 could not be read.
///
/// Example:
///   rollbook gate credit-scorer 1.0.0 --env production --trust trust.toml --max-age 1h
///   rollbook gate credit-scorer 1.0.0 --env production --trust trust.toml --state gate.verified
///   rollbook gate --digest sha256:… --env production --trust trust.toml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Gate {
    /// The model
    #[arg(requires = "version", required_unless_present = "digest")]
    pub model: Option<Name>,
    /// The version, as it was registered
    pub version: Option<Name>,
    /// The digest (`OpenSSF` root) instead of model and version: sha256: and 64 hex digits
    #[arg(long, value_name = "D", conflicts_with_all = ["model", "version"])]
    pub digest: Option<ForeignDigest>,
    /// The environment
    #[arg(long, value_name = "E")]
    pub env: EnvironmentName,
    /// The trust root that you hold; without it any ledger could stand there
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Go on from what was kept in FILE, and keep it: only entries that came since are checked; needs --trust
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub state: Option<PathBuf>,
    /// Closed if the newest entry is older: a copy that was left behind says nothing of today
    #[arg(long, value_name = "TIME")]
    pub max_age: Option<String>,
}

/// A reason to be closed.
struct Reason {
    code: &'static str,
    message: String,
}

/// What the ledger says of the digest there.
#[derive(Default)]
struct Answer {
    reasons: Vec<Reason>,
    /// Model, version and entry, where the digest serves.
    serves: Option<(Name, Serving, Hash)>,
}

impl Answer {
    fn closed(&mut self, code: &'static str, message: impl Into<String>) {
        self.reasons.push(Reason { code, message: message.into() });
    }
}

impl Gate {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]; a closed gate ends in exit code 1.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let max_age_ms = self.max_age.as_deref().map(parse_span_ms).transpose()?;
        let wanted = self.digest.map(sha256).transpose()?;
        let trust = self.trust.as_deref().map(read_trust).transpose()?;
        // What serves hangs on no attached file but proofs, and hashing them all would hold up the pipeline.
        let kept = kept::read(self.state.as_deref(), trust.as_ref())?;
        let options = Options {
            trust: trust.as_ref(),
            proofs_only: true,
            kept: kept.as_ref(),
            keep: self.state.is_some(),
            ..Options::default()
        };
        let bar = progress::verifying();
        let judged = judge_dir(context.ledger_dir()?, &options, &progress::follow(&bar));
        let Judged { report, mut state, kept, .. } = judged.map_err(unverified)?;
        bar.finish_and_clear();
        let age_ms = report.last_recorded_at.map(|last| context.now().since_ms(last).max(0));

        let mut answer = Answer::default();
        judge_log(&report, trust.is_some(), &mut answer);
        if let (Some(age_ms), Some(max_ms)) = (age_ms, max_age_ms)
            && age_ms > max_ms
        {
            let (age, max) = (span_text(age_ms), span_text(max_ms));
            answer.closed("too_old", format!("the newest entry is {age} old, and --max-age is {max}"));
        }
        match wanted {
            Some(digest) => self.judge_digest(digest, &mut state, &mut answer),
            None => self.judge_version(&mut state, &mut answer),
        }
        judge_entries(&report, &mut state, &mut answer);
        self.print(context, &report, &answer, age_ms)?;
        kept::write(context, self.state.as_deref(), kept.as_ref())?;
        if answer.reasons.is_empty() { Ok(()) } else { Err(Failure::answered(Exit::No)) }
    }

    /// Model and version name a registered digest.
    fn judge_version(&self, state: &mut State<EarlierIds>, answer: &mut Answer) {
        let (Some(model), Some(version)) = (&self.model, &self.version) else { return };
        let Ok(row) = state.version(model, version);
        match row {
            None => answer.closed("version_unknown", format!("{model} {version} is not registered")),
            Some(row) => self.judge_slot(model, version, &row, state, answer),
        }
    }

    /// Any registered version of the digest will do: one digest may bear several names.
    fn judge_digest(&self, digest: Hash, state: &mut State<EarlierIds>, answer: &mut Answer) {
        let mut bearers: Vec<(Name, Name, VersionRow)> = state
            .rows()
            .filter_map(|(key, row)| match (key, row) {
                (RowKey::Version(model, version), Row::Version(row)) if row.digest == digest => {
                    Some((model.clone(), version.clone(), (**row).clone()))
                }
                _ => None,
            })
            .collect();
        bearers.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        if bearers.is_empty() {
            answer.closed("digest_unknown", format!("no registered version has the digest sha256:{digest}"));
        }
        let mut closed = Vec::new();
        for (model, version, row) in &bearers {
            let mut of_bearer = Answer::default();
            self.judge_slot(model, version, row, state, &mut of_bearer);
            if of_bearer.reasons.is_empty() {
                answer.serves = of_bearer.serves;
                return;
            }
            closed.append(&mut of_bearer.reasons);
        }
        answer.reasons.append(&mut closed);
    }

    /// The version's digest serves there, and may.
    fn judge_slot(
        &self,
        model: &Name,
        version: &Name,
        row: &VersionRow,
        state: &mut State<EarlierIds>,
        answer: &mut Answer,
    ) {
        let env = &self.env;
        if let Some(entry) = row.retired {
            answer.closed("version_retired", format!("{model} {version} was retired by entry {entry}"));
        }
        let Ok(slot) = state.slot(model, env);
        let serving = slot.as_ref().and_then(|slot| slot.serving());
        let Ok(has_served) = state.served(env, row.digest);
        let was = if has_served.is_some() { "was taken out, or back" } else { "was never promoted there" };
        let Some(serving) = serving else {
            answer.closed(
                "nothing_serves",
                format!("nothing of {model} serves in {env}; of {version}: it {was}"),
            );
            return;
        };
        let Ok(served) = state.version(model, &serving.version);
        if served.is_none_or(|served| served.digest != row.digest) {
            let Serving { version: other, entry } = serving;
            answer.closed(
                "serves_another",
                format!("{model} {other} serves in {env} since entry {entry}; {version} {was}"),
            );
            return;
        }
        answer.serves = Some((model.clone(), serving.clone(), row.digest));
    }

    fn print(
        &self,
        context: &Context,
        report: &Report,
        answer: &Answer,
        age_ms: Option<i64>,
    ) -> Result<(), Failure> {
        let open = answer.reasons.is_empty();
        if context.json() {
            let serves = answer.serves.as_ref().map(|(model, serving, digest)| {
                json!({ "model": model, "version": serving.version, "entry": serving.entry, "digest": digest })
            });
            let reason = |reason: &Reason| json!({ "code": reason.code, "message": reason.message });
            return context.print_json(&json!({
                "gate": if open { "open" } else { "closed" },
                "environment": self.env,
                "serves": serves,
                "reasons": answer.reasons.iter().map(reason).collect::<Vec<_>>(),
                "judged": {
                    "origin": report.origin, "ledger_id": report.ledger_id, "size": report.size,
                    "root": report.root, "verdict": report.verdict, "anchored": report.anchored,
                    "held": report.held, "unheld": report.unheld,
                    "last_recorded_at": report.last_recorded_at, "age_ms": age_ms, "kept": report.kept,
                },
            }));
        }
        if let (true, Some((model, serving, digest))) = (open, &answer.serves) {
            let Serving { version, entry } = serving;
            context.print(visible(&format!(
                "open: {model} {version} serves in {} by entry {entry} (sha256:{digest})",
                self.env
            )))?;
        }
        for Reason { code, message } in &answer.reasons {
            context.print(visible(&format!("closed ({code}): {message}")))?;
        }
        let newest = report.last_recorded_at.map_or_else(String::new, |last: Timestamp| {
            format!(", the newest of {} ({} ago)", seconds(last), span_text(age_ms.unwrap_or_default()))
        });
        let anchored = match report.anchored {
            Anchored::No => "no trust root was given: any ledger could stand here".to_owned(),
            _ => format!("ledger id {}", report.ledger_id.map_or_else(String::new, |id| id.to_string())),
        };
        context.print(format_args!("judged: {} entries{newest}; {anchored}", report.size))
    }
}

/// The digest that the ledger knows models by.
fn sha256(digest: ForeignDigest) -> Result<Hash, Failure> {
    match digest {
        ForeignDigest::Sha256(bytes) => Ok(Hash::from_bytes(bytes)),
        other => Err(Failure::usage(format!("{other} is no SHA-256 digest"))
            .hint("models are known by the OpenSSF root: see `rollbook log --kind model.registered`")),
    }
}

/// A log that cannot be believed, or not to its end, opens nothing. One with violations does: what was done
/// against the rules changed nothing, and is not what serves.
fn judge_log(report: &Report, has_trust: bool, answer: &mut Answer) {
    let codes = || report.finding_counts.keys().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    match report.verdict {
        Verdict::Tampered => answer.closed("tampered", format!("the ledger was tampered with: {}", codes())),
        Verdict::CannotTell => {
            answer.closed("cannot_tell", format!("the ledger cannot be read to its end: {}", codes()));
        }
        Verdict::Sound { .. } | Verdict::Violation => {
            let is_asked = |shortfall: &&Shortfall| has_trust || **shortfall != Shortfall::NoTrustRoot;
            for shortfall in report.not_anchored.iter().filter(is_asked) {
                let why = shortfall_words(shortfall);
                answer.closed(
                    "not_anchored",
                    format!("the ledger is not anchored in the trust root that you gave: {why}"),
                );
            }
        }
    }
}

/// A proof that the auditor could not look at: what must be proven is not.
const UNPROVEN: &str = "git.unproven";

/// A violation about the very entries by which the digest serves keeps the gate closed until administrators accept
/// it.
fn judge_entries(report: &Report, state: &mut State<EarlierIds>, answer: &mut Answer) {
    let Some((model, serving, _)) = &answer.serves else { return };
    let Ok(version) = state.version(model, &serving.version);
    let registered = version.map(|row| row.entry);
    let is_of_entries =
        |index: Option<u64>| index.is_some() && (index == Some(serving.entry) || index == registered);
    let about: Vec<&Found> = report.findings.iter().filter(|found| is_of_entries(found.index())).collect();
    let closing = |found: &&&Found| found.class() == Class::Violation || found.code() == UNPROVEN;
    for found in about.iter().filter(closing) {
        let code = if found.code() == UNPROVEN { "unproven" } else { "violation" };
        answer.closed(code, found.to_string());
    }
    if report.violation_beyond {
        answer
            .closed("violation", "there are more violations than are listed, and one may be of what serves");
    }
}
