//! Which controls of which frameworks the ledger supports. They are data (`controls.toml`); what decides a status, from
//! the report's own facts, stands here.
//!
//! A status is about this ledger in this period, never about an organisation: `supports`, where something in it shows
//! what the control asks for; `not_covered`, where nothing does, or what would cannot be believed;
//! `needs_operator_action`, where it is for people to do.

use serde::{Deserialize, Serialize};

use crate::event::body::Kind;
use crate::event::model::EvaluationOutcome;
use crate::event::release::ChangeOutcome;
use crate::time::{DAY_MS, span_text};
use crate::words::counted;
use crate::words::words;

use super::contents::{ChangeRow, Contents};
use super::layout::seconds;

/// The table.
const TABLE: &str = include_str!("controls.toml");
/// Six months, however they fall: no six months in a row have more days.
const SIX_MONTHS_MS: i64 = 184 * DAY_MS;

words! {
    /// What the ledger has to do with a control.
    Status, "a status" {
        /// Something in it shows what the control asks for.
        Supports = "supports",
        /// Nothing does, or what would cannot be believed.
        NotCovered = "not_covered",
        /// It is for people to do.
        NeedsOperatorAction = "needs_operator_action",
    }
}

impl Status {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Supports => "supports",
            Self::NotCovered => "not covered",
            Self::NeedsOperatorAction => "needs operator action",
        }
    }
}

/// How a status follows from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Check {
    EventKinds,
    RecordContent,
    TimeStamps,
    HeldOutside,
    AuthorSignatures,
    Retention,
    RecordsMade,
    ChangesControlled,
    AccessRestricted,
    Integrity,
    LifetimeEvents,
    SixMonths,
    DeployerMonitoring,
    ChangesTested,
    WormStorage,
    ModelRisk,
}

/// A control, as the table has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    framework: String,
    id: String,
    title: String,
    supports: String,
    left: String,
    check: Check,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Controls {
    control: Vec<Control>,
}

/// A control, and what this ledger has to do with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ControlRow {
    /// The framework.
    pub framework: String,
    /// Its name for the control.
    pub id: String,
    /// What it asks for, in our words.
    pub title: String,
    /// What the ledger has to do with it.
    pub status: Status,
    /// What in this ledger shows that.
    pub shown: String,
    /// What in Rollbook serves it.
    pub supports: String,
    /// What is left to those who run it.
    pub left: String,
}

/// The controls, in the table's order, as the report's facts decide them.
#[must_use]
pub fn evaluate(contents: &Contents) -> Vec<ControlRow> {
    let row = |control: Control| {
        let (status, shown) = control.check.status(contents);
        let Control { framework, id, title, supports, left, .. } = control;
        ControlRow { framework, id, title, status, shown, supports, left }
    };
    table().into_iter().map(row).collect()
}

fn table() -> Vec<Control> {
    toml::from_str::<Controls>(TABLE).expect("the table is compiled in, and a test reads it").control
}

/// What a check finds: a status, and what shows it.
type Found = (Status, String);

impl Check {
    /// What rests on the verdict shows nothing where that is not sound.
    fn status(self, contents: &Contents) -> Found {
        let (status, shown) = self.found(contents);
        let told = &contents.verdict;
        if told.word == "sound" {
            return (status, shown);
        }
        let verdict = format!("the verdict is {}", told.word.replace('_', " "));
        match status {
            Status::NeedsOperatorAction if self.is_always_for_people() => {
                (status, format!("{verdict}; {shown}"))
            }
            _ => (Status::NotCovered, verdict),
        }
    }

    const fn is_always_for_people(self) -> bool {
        matches!(self, Self::Retention | Self::SixMonths | Self::DeployerMonitoring | Self::WormStorage)
    }

    fn found(self, contents: &Contents) -> Found {
        match self {
            Self::EventKinds => event_kinds(contents),
            Self::RecordContent => record_content(contents),
            Self::TimeStamps => time_stamps(contents),
            Self::HeldOutside => held_outside(contents),
            Self::AuthorSignatures => author_signatures(contents),
            Self::Retention => (Status::NeedsOperatorAction, span(contents)),
            Self::RecordsMade => records_made(contents),
            Self::ChangesControlled => changes_controlled(contents),
            Self::AccessRestricted => access_restricted(contents),
            Self::Integrity => integrity(contents),
            Self::LifetimeEvents => lifetime_events(contents),
            Self::SixMonths => six_months(contents),
            Self::DeployerMonitoring => deployer_monitoring(contents),
            Self::ChangesTested => changes_tested(contents),
            Self::WormStorage => worm_storage(contents),
            Self::ModelRisk => model_risk(contents),
        }
    }
}

/// `supports` where there is anything, else `not_covered`.
fn shown_by(count: u64, shown: String, nothing: &str) -> Found {
    if count > 0 { (Status::Supports, shown) } else { (Status::NotCovered, nothing.to_owned()) }
}

const NO_ENTRY: &str = "no entry was recorded in the period";

fn event_kinds(contents: &Contents) -> Found {
    let kinds: Vec<String> = contents
        .period
        .kinds
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let shown = format!("{} of {} kinds in the period: {}", kinds.len(), Kind::ALL.len(), kinds.join(", "));
    shown_by(contents.period.entries, shown, NO_ENTRY)
}

fn record_content(contents: &Contents) -> Found {
    let period = &contents.period;
    let observed: u64 = period.observed.values().sum();
    let shown = format!(
        "{} in the period, {observed} of them observed in other systems, each signed, by {}",
        counted(period.entries, "entry", "entries"),
        counted(period.people, "person", "people"),
    );
    shown_by(period.entries, shown, NO_ENTRY)
}

fn time_stamps(contents: &Contents) -> Found {
    let period = &contents.period;
    let (Some(first), Some(last)) = (period.first_recorded_at, period.last_recorded_at) else {
        return (Status::NotCovered, NO_ENTRY.to_owned());
    };
    let farthest = period.farthest_claim.map_or_else(
        || "no claimed time differs from the recorded one".to_owned(),
        |claim| {
            let side = if claim.behind_ms < 0 { "ahead of" } else { "behind" };
            let span = span_text(claim.behind_ms.abs());
            format!("a claimed time lies at most {span} {side} the recorded one, in entry {}", claim.index)
        },
    );
    (Status::Supports, format!("recorded from {} to {}; {farthest}", seconds(first), seconds(last)))
}

fn held_outside(contents: &Contents) -> Found {
    let told = &contents.verdict;
    match &told.held {
        None => (Status::NeedsOperatorAction, "nobody outside holds any of the log".to_owned()),
        Some(held) => {
            let at = held.at.map_or_else(String::new, |at| format!(", cosigned by {}", seconds(at)));
            let unheld = counted(told.unheld, "entry is", "entries are");
            let shown = format!("held to size {} of {}{at}; {unheld} not yet held", held.size, told.size);
            let is_missing = !told.not_anchored.is_empty();
            (if is_missing { Status::NeedsOperatorAction } else { Status::Supports }, shown)
        }
    }
}

fn author_signatures(contents: &Contents) -> Found {
    let (told, period) = (&contents.verdict, &contents.period);
    let shown = format!(
        "{} verified; {} of the period by {} of {}",
        counted(told.signatures, "author signature", "author signatures"),
        period.signatures,
        counted(period.keys, "key", "keys"),
        counted(period.people, "person", "people"),
    );
    shown_by(told.signatures, shown, "no author signature was checked")
}

/// From when to when the log reaches, and what was removed beside it.
fn span(contents: &Contents) -> String {
    let told = &contents.verdict;
    let reach = match (told.first_recorded_at, told.last_recorded_at) {
        (Some(first), Some(last)) => {
            let days = u64::try_from(last.since_ms(first) / DAY_MS).unwrap_or(0);
            let days = counted(days, "day", "days");
            format!("the log reaches from {} to {}, {days}", seconds(first), seconds(last))
        }
        _ => "how far the log reaches is not known".to_owned(),
    };
    let redacted = told.attachments.map_or(0, |counts| counts.redacted);
    if redacted == 0 {
        reach
    } else {
        format!("{reach}; {} redacted", counted(redacted, "attachment", "attachments"))
    }
}

fn records_made(contents: &Contents) -> Found {
    let period = &contents.period;
    let systems: Vec<String> =
        period.observed.iter().map(|(system, count)| format!("{count} by {system}")).collect();
    let observed = if systems.is_empty() {
        "none was observed in another system".to_owned()
    } else {
        systems.join(", ")
    };
    let shown = format!(
        "{} by {}; {observed}",
        counted(period.entries, "entry", "entries"),
        counted(period.keys, "key", "keys")
    );
    shown_by(period.entries, shown, NO_ENTRY)
}

const NO_CHANGE: &str = "nothing was changed in the period";

/// How many changes are so.
fn those(contents: &Contents, is_one: impl Fn(&ChangeRow) -> bool) -> usize {
    contents.changes.iter().filter(|change| is_one(change)).count()
}

fn changes_controlled(contents: &Contents) -> Found {
    let all = contents.changes.len();
    let shown = format!(
        "{}: {} let through by the rules of the policy in force, {} signed by an approver beside the proposer, {} by \
         break-glass, {} with a reported outcome",
        counted(all as u64, "change", "changes"),
        those(contents, |change| change.lawful == Some(true)),
        those(contents, |change| change.approvals() > 0),
        those(contents, |change| change.break_glass.is_some()),
        those(contents, |change| change.completion.is_some()),
    );
    shown_by(all as u64, shown, NO_CHANGE)
}

fn access_restricted(contents: &Contents) -> Found {
    let grants = &contents.grants;
    let mut people: Vec<&str> = grants.iter().map(|grant| grant.person.as_str()).collect();
    people.sort_unstable();
    people.dedup();
    let revoked = grants.iter().filter(|grant| grant.revoked.is_some()).count();
    let shown = format!(
        "{} to {} held in the period, {revoked} of them ended by a revocation; {} against the rules",
        counted(grants.len() as u64, "grant", "grants"),
        counted(people.len() as u64, "person", "people"),
        counted(contents.exceptions.unlawful.len() as u64, "change is", "changes are"),
    );
    shown_by(grants.len() as u64, shown, "no grant held in the period")
}

fn integrity(contents: &Contents) -> Found {
    let told = &contents.verdict;
    let registered = contents.period.of_kind(Kind::ModelRegistered);
    let shown = format!(
        "the verdict is {}: {} read; {} registered with their digests in the period; models' files were not looked at",
        told.word,
        counted(told.entries, "entry", "entries"),
        counted(registered, "version", "versions"),
    );
    (Status::Supports, shown)
}

/// What is recorded over a model's life, by phase.
const LIFE: [(Kind, &str, &str); 8] = [
    (Kind::ModelRegistered, "registration", "registrations"),
    (Kind::ModelEvaluated, "evaluation", "evaluations"),
    (Kind::ModelPromoted, "promotion", "promotions"),
    (Kind::ModelRolledBack, "rollback", "rollbacks"),
    (Kind::ModelWithdrawn, "withdrawal", "withdrawals"),
    (Kind::DriftDetected, "drift report", "drift reports"),
    (Kind::IncidentDetected, "incident", "incidents"),
    (Kind::ModelRetired, "retirement", "retirements"),
];

fn lifetime_events(contents: &Contents) -> Found {
    let counts = LIFE.iter().map(|(kind, one, many)| (contents.period.of_kind(*kind), one, many));
    let all: u64 = counts.clone().map(|(count, ..)| count).sum();
    let told: Vec<String> =
        counts.filter(|(count, ..)| *count > 0).map(|(count, one, many)| counted(count, one, many)).collect();
    shown_by(
        all,
        format!("{} in the period", told.join(", ")),
        "nothing of a model's life was recorded in the period",
    )
}

fn six_months(contents: &Contents) -> Found {
    let told = &contents.verdict;
    let reach = told.first_recorded_at.zip(told.last_recorded_at).map(|(first, last)| last.since_ms(first));
    let longer = match reach {
        Some(reach) if reach >= SIX_MONTHS_MS => "; that is six months at least",
        Some(_) => "; that is less than six months",
        None => "",
    };
    (Status::NeedsOperatorAction, format!("{}{longer}", span(contents)))
}

fn deployer_monitoring(contents: &Contents) -> Found {
    let period = &contents.period;
    let answered = those(contents, |change| change.incident.is_some());
    let slow = contents.exceptions.slow_recoveries.len();
    let shown = format!(
        "{} and {} in the period; {} answered one, {slow} of them later than the policy's target; {}",
        counted(period.of_kind(Kind::DriftDetected), "drift report", "drift reports"),
        counted(period.of_kind(Kind::IncidentDetected), "incident", "incidents"),
        counted(answered as u64, "change", "changes"),
        span(contents),
    );
    (Status::NeedsOperatorAction, shown)
}

fn changes_tested(contents: &Contents) -> Found {
    let all = contents.changes.len();
    let cites_a_pass = |change: &ChangeRow| {
        let mut of = change.evidence.iter().filter_map(|row| row.says.as_ref()?.evaluation.as_ref());
        of.any(|evaluation| evaluation.outcome == EvaluationOutcome::Passed)
    };
    let succeeded = |change: &ChangeRow| {
        change.completion.as_ref().is_some_and(|done| done.outcome == ChangeOutcome::Succeeded)
    };
    let shown = format!(
        "{}: {} approved beside the proposer, {} citing a passed evaluation, {} with a ticket, {} with a commit, {} \
         reported as succeeded",
        counted(all as u64, "change", "changes"),
        those(contents, |change| change.approvals() > 0),
        those(contents, cites_a_pass),
        those(contents, |change| change.ticket.is_some()),
        those(contents, |change| change.infra.is_some()),
        those(contents, succeeded),
    );
    shown_by(all as u64, shown, NO_CHANGE)
}

fn worm_storage(contents: &Contents) -> Found {
    let shown = format!("where the files lie is not known to the ledger; {}", held_outside(contents).1);
    (Status::NeedsOperatorAction, shown)
}

fn model_risk(contents: &Contents) -> Found {
    let period = &contents.period;
    let evaluations = period.of_kind(Kind::ModelEvaluated);
    let shown = format!(
        "{} registered, {} passed and {} failed, {} in the period; {}",
        counted(period.of_kind(Kind::ModelRegistered), "version", "versions"),
        counted(period.evaluations_passed, "evaluation", "evaluations"),
        period.evaluations_failed,
        counted(period.of_kind(Kind::DriftDetected), "drift report", "drift reports"),
        counted(contents.changes.len() as u64, "change of what serves", "changes of what serves"),
    );
    shown_by(evaluations, shown, "no evaluation was recorded in the period")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_says_nothing_twice() {
        let table = table();
        let mut names: Vec<(&str, &str)> =
            table.iter().map(|control| (control.framework.as_str(), control.id.as_str())).collect();
        assert!(table.iter().all(|control| {
            [&control.title, &control.supports, &control.left].iter().all(|text| !text.is_empty())
        }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.len());
    }

    /// No ledger can say that, and no page of ours does.
    #[test]
    fn the_table_calls_nobody_compliant() {
        assert!(!TABLE.to_lowercase().contains("complian"));
    }
}
