//! The report as a page: sections of paragraphs, tables and listings, which Markdown and HTML show alike. What is
//! said in words is written here once; nothing is escaped yet.

use crate::event::body::Kind;
use crate::hash::Hash;
use crate::time::{Timestamp, span_text};
use crate::timeline::zone::Zone;
use crate::verifier::finding::Class;
use crate::verifier::held::{Held, HeldBy};
use crate::verifier::report::{AttachmentCounts, CheckpointOutcome, CheckpointReport, KeptUse};
use crate::words::counted;

use super::contents::{
    ChangeRow, Contents, EntryTold, EvidenceRow, FindingRow, GrantRow, PolicyRow, SampledEntry, Who,
};
use super::controls::{ControlRow, Status};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// The verdict in one line.
    pub verdict: String,
    /// How it sounds.
    pub tone: Tone,
    /// What stands below the title.
    pub head: Vec<Fact>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// By which links name it.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it holds.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Words(String),
    /// A smaller heading.
    Heading(String),
    /// Sentences, one below another.
    List(Vec<String>),
    /// Names and values.
    Facts(Vec<Fact>),
    /// A table.
    Table(Table),
    /// Text as it stands, line by line.
    Listing {
        /// What it is.
        caption: String,
        /// The text.
        text: String,
    },
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: Cell,
}

/// A table, whose first column names the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it is of.
    pub caption: String,
    /// The columns' names.
    pub columns: &'static [&'static str],
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in one place of a table: lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// The lines.
    pub lines: Vec<Line>,
    /// How it sounds.
    pub tone: Tone,
}

/// A line of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// Whether it is a digest, key or the like.
    pub is_code: bool,
}

/// How something sounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Good.
    Good,
    /// To be looked at.
    Warn,
    /// Bad.
    Bad,
}

impl Cell {
    /// One line of text; empty text is a dash.
    fn text(text: impl Into<String>) -> Self {
        Self::default().and(text)
    }

    /// One line that is a digest, key or the like.
    fn code(text: &impl ToString) -> Self {
        Self { lines: vec![Line { text: text.to_string(), is_code: true }], tone: Tone::Plain }
    }

    /// A line more.
    fn and(mut self, text: impl Into<String>) -> Self {
        self.lines.push(Line { text: text.into(), is_code: false });
        self
    }

    fn and_code(mut self, text: &impl ToString) -> Self {
        self.lines.push(Line { text: text.to_string(), is_code: true });
        self
    }

    fn and_maybe(self, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.and(text),
            None => self,
        }
    }

    fn lines(lines: impl IntoIterator<Item = String>) -> Self {
        lines.into_iter().fold(Self::default(), Self::and)
    }

    fn with(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// The report as a page.
#[must_use]
pub fn page(contents: &Contents) -> Page {
    Page {
        title: format!("Audit report: {}", contents.trust.origin),
        verdict: contents.verdict.line.clone(),
        tone: if contents.verdict.is_good {
            Tone::Good
        } else if contents.verdict.word == "sound" {
            Tone::Warn
        } else {
            Tone::Bad
        },
        head: head(contents),
        sections: vec![
            verdict(contents),
            trust(contents),
            keys(contents),
            policies(contents),
            changes(contents),
            exceptions(contents),
            sample(contents),
            controls(contents),
            appendix(contents),
        ],
    }
}

fn fact(name: &'static str, value: Cell) -> Fact {
    Fact { name, value }
}

fn table(caption: impl Into<String>, columns: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Block {
    Block::Table(Table { caption: caption.into(), columns, rows })
}

/// A table, or a sentence where it would be empty.
fn table_or(none: &str, caption: &str, columns: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Block {
    if rows.is_empty() { Block::Words(none.to_owned()) } else { table(caption, columns, rows) }
}

fn head(contents: &Contents) -> Vec<Fact> {
    let asked = &contents.asked;
    let from = asked.since.map_or_else(|| "the beginning".to_owned(), |since| since.to_string());
    let to = asked.until.map_or_else(|| "the end of the log".to_owned(), |until| until.to_string());
    let period = &contents.period;
    let entries = match (period.first, period.last) {
        (Some(first), Some(last)) => {
            format!("{} of {}: {first} to {last}", period.entries, contents.verdict.size)
        }
        _ => format!("none of {}", contents.verdict.size),
    };
    let environment = asked.environment.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
    vec![
        fact("ledger", Cell::text(contents.trust.origin.clone())),
        fact("ledger id", Cell::code(&contents.trust.ledger_id)),
        fact("period", Cell::text(format!("from {from} to {to}, by recorded time"))),
        fact("environment", Cell::text(environment)),
        fact("entries", Cell::text(entries)),
        fact(
            "log",
            Cell::text(format!("size {}", contents.verdict.size)).and_code(&root(contents.verdict.root)),
        ),
        fact("made by", Cell::text(contents.program).and("all times are UTC")),
    ]
}

fn root(root: Option<Hash>) -> String {
    root.map_or_else(|| "no root: entries could not be read".to_owned(), |root| root.to_string())
}

fn verdict(contents: &Contents) -> Section {
    let told = &contents.verdict;
    let attachments = match told.attachments {
        None => "not looked at".to_owned(),
        Some(AttachmentCounts { checked, redacted }) => format!("{checked} hashed, {redacted} redacted"),
    };
    let mut facts = vec![
        fact("verdict", Cell::text(told.word).and(format!("exit code {}", told.exit_code))),
        fact("read", Cell::text(format!("{} in {}", entries(told.entries), batches(told.batches)))),
        fact("authors' signatures checked", Cell::text(told.signatures.to_string())),
        fact(
            "judged by the rules",
            Cell::text(format!("{} of {}", told.rules_judged_up_to, entries(told.size))),
        ),
        fact("attachments", Cell::text(attachments)),
        fact("held", held(told.held.as_ref(), contents.trust.quorum.as_ref().map(ToString::to_string))),
        fact("not yet held", Cell::text(entries(told.unheld))),
    ];
    if let Some(kept) = &told.kept {
        facts.push(fact("checked since", kept_told(kept)));
    }
    for missing in &told.not_anchored {
        facts.push(fact("missing", Cell::text(missing.message.clone()).with(Tone::Warn)));
    }
    let counts = told.finding_counts.iter().map(|count| {
        let accepted =
            if count.accepted > 0 { format!(", {} accepted", count.accepted) } else { String::new() };
        vec![
            Cell::code(&count.code),
            Cell::text(count.class.as_str()).with(tone_of(count.class)),
            Cell::text(format!("{}{accepted}", count.count)),
        ]
    });
    let counts = counts.collect();
    let blocks = vec![
        Block::Facts(facts),
        table_or("Nothing was found.", "Findings by code", &["code", "class", "findings"], counts),
        Block::Words("What the verdict says nothing of, for it was not looked at:".to_owned()),
        Block::List(told.not_looked_at.clone()),
    ];
    Section { id: "verdict", title: "1. Verdict, and what was checked", blocks }
}

fn held(held: Option<&Held>, quorum: Option<String>) -> Cell {
    let Some(held) = held else {
        return Cell::text("by nobody outside").with(Tone::Warn);
    };
    let by = match (&held.by, quorum) {
        (HeldBy::Quorum, Some(quorum)) => format!("by the quorum {quorum}"),
        (HeldBy::Quorum, None) => "by witnesses".to_owned(),
        (HeldBy::Checkpoints(names), _) => format!("by the auditor's checkpoint: {}", names.join("; ")),
    };
    let signed = held.witnesses.iter().map(|one| format!("{}, {}", one.name, seconds(one.time)));
    let cell = Cell::text(format!("to size {}", held.size)).and(by);
    signed.fold(cell, Cell::and)
}

fn kept_told(kept: &KeptUse) -> Cell {
    match kept {
        KeptUse::ResumedFrom { size, finding_counts } => {
            let before = finding_counts.iter().map(|(code, count)| format!("{count} {code} before it"));
            before.fold(Cell::text(format!("entry {size}")), Cell::and)
        }
        KeptUse::Unused { reason } => Cell::text("the start").and(reason.clone()),
    }
}

fn trust(contents: &Contents) -> Section {
    let told = &contents.trust;
    let mut facts = vec![
        fact("origin", Cell::text(told.origin.clone())),
        fact("ledger id", Cell::code(&told.ledger_id)),
        fact("SHA-256 of the trust root", Cell::code(&told.sha256)),
        fact("log key", Cell::code(&told.log_key)),
    ];
    if let Some(latest) = &told.latest_log_key {
        facts.push(fact("latest log key, pinned", Cell::code(&latest)));
    }
    for rotation in &told.log_key_rotations {
        let cause = serde_json::to_value(&rotation.cause).unwrap_or_default();
        let cause = cause.as_str().map_or_else(|| cause.to_string(), str::to_owned);
        let value = Cell::code(&rotation.log_key).and(format!("since entry {}: {cause}", rotation.entry));
        facts.push(fact("rotated to", value));
    }
    let quorum = told.quorum.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    facts.push(fact("quorum", Cell::text(quorum)));
    let witnesses = told
        .witnesses
        .iter()
        .map(|one| vec![Cell::text(one.name().to_string()), Cell::code(&one.key())])
        .collect();
    let groups = told.groups.iter().map(|group| {
        let members = group.members().iter().map(ToString::to_string);
        vec![
            Cell::text(group.name().to_string()),
            Cell::text(group.threshold().to_string()),
            Cell::lines(members),
        ]
    });
    let mut blocks = vec![
        Block::Facts(facts),
        table_or("The trust root names no witness.", "Witnesses", &["witness", "key"], witnesses),
    ];
    if !told.groups.is_empty() {
        blocks.push(table("Groups of witnesses", &["group", "threshold", "members"], groups.collect()));
    }
    let given = told.checkpoints.iter().map(checkpoint_row);
    let beside = told.cosigned.iter().map(checkpoint_row);
    blocks.push(table_or(
        "No earlier checkpoint was given, and no cosigned note counts.",
        "Earlier checkpoints that the log was held against",
        &["checkpoint", "root", "outcome", "cosigned by"],
        given.chain(beside).collect(),
    ));
    Section { id: "trust", title: "2. Trust root and witnesses", blocks }
}

fn checkpoint_row(checkpoint: &CheckpointReport) -> Vec<Cell> {
    let (outcome, tone) = match checkpoint.outcome {
        CheckpointOutcome::Matched => ("the log extends it", Tone::Good),
        CheckpointOutcome::Disagrees => ("the log does not extend it", Tone::Bad),
        CheckpointOutcome::NotReached => ("not reached", Tone::Bad),
        CheckpointOutcome::NotThisLog => ("not of this log", Tone::Bad),
        CheckpointOutcome::Untrusted => ("signed by a compromised key: it does not count", Tone::Warn),
    };
    let witnesses = checkpoint.witnesses.iter().map(|one| format!("{}, {}", one.name, seconds(one.time)));
    vec![
        Cell::text(checkpoint.name.clone()).and(format!("size {}", checkpoint.size)),
        Cell::code(&checkpoint.root),
        Cell::text(outcome).with(tone),
        or_dash(Cell::lines(witnesses)),
    ]
}

fn or_dash(cell: Cell) -> Cell {
    if cell.lines.is_empty() { Cell::text("–") } else { cell }
}

fn keys(contents: &Contents) -> Section {
    let rows = contents.grants.iter().map(grant_row).collect();
    let words = "Each grant that held at some time of the period. Whether one holds at a moment follows from the entry \
                 that grants it, its validity, and the entry that revokes the key.";
    let blocks = vec![
        Block::Words(words.to_owned()),
        table_or(
            "No grant held in the period.",
            "Who held which role when",
            &["person", "roles and scope", "granted", "valid", "revoked", "signatures"],
            rows,
        ),
    ];
    Section { id: "keys", title: "3. Keys and roles", blocks }
}

fn grant_row(grant: &GrantRow) -> Vec<Cell> {
    let scope = match (&grant.environments, &grant.models) {
        (Some(environments), Some(models)) => {
            format!("environments {}; models {}", listed(environments), listed(models))
        }
        _ => "the ledger itself".to_owned(),
    };
    let valid = match (grant.valid_from, grant.valid_until) {
        (None, None) => "until revoked".to_owned(),
        (Some(from), None) => format!("from {}", seconds(from)),
        (None, Some(until)) => format!("until {}", seconds(until)),
        (Some(from), Some(until)) => format!("from {} until {}", seconds(from), seconds(until)),
    };
    let revoked = grant.revoked.as_ref().map(|revoked| {
        let since = revoked.compromised_since.map(|since| format!("compromised since entry {since}"));
        entry_cell(&revoked.by).and(revoked.reason.to_string()).and_maybe(since).with(Tone::Warn)
    });
    vec![
        Cell::text(grant.person.to_string()).and_code(&grant.fingerprint),
        Cell::text(grant.roles.join(", ")).and(scope),
        entry_cell(&grant.granted),
        Cell::text(valid),
        revoked.unwrap_or_else(|| Cell::text("–")),
        Cell::text(grant.signatures.to_string()),
    ]
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

/// Entry, time and signers.
fn entry_cell(told: &EntryTold) -> Cell {
    Cell::text(format!("entry {}", told.entry)).and(seconds(told.recorded_at)).and(names(&told.by))
}

fn names(by: &[Who]) -> String {
    by.iter().map(Who::name).collect::<Vec<_>>().join(", ")
}

fn policies(contents: &Contents) -> Section {
    let rows = contents.policies.iter().map(policy_row).collect();
    let blocks = vec![
        Block::Words(
            "Each policy that was in force at some time of the period. Their texts stand in the appendix."
                .to_owned(),
        ),
        table_or(
            "No policy was in force.",
            "Policies in force",
            &["set by", "in force", "schema and rules", "what it changes"],
            rows,
        ),
    ];
    Section { id: "policies", title: "4. Policy", blocks }
}

fn policy_row(policy: &PolicyRow) -> Vec<Cell> {
    let until =
        policy.replaced_at.map_or_else(|| "still in force".to_owned(), |at| format!("until {}", seconds(at)));
    let changes = match &policy.changes {
        None => Cell::text("the first policy"),
        Some(changes) if changes.is_empty() => Cell::text("nothing in meaning"),
        Some(changes) => Cell::lines(changes.clone()),
    };
    let reason = policy.reason.as_ref().map(|reason| format!("reason: {reason}"));
    vec![
        entry_cell(&policy.set),
        Cell::text(format!("from {}", seconds(policy.set.recorded_at))).and(until),
        Cell::text(format!("schema {}, rules {}", policy.schema, policy.rules_version))
            .and("SHA-256 of its text:")
            .and_code(&policy.sha256),
        changes.and_maybe(reason),
    ]
}

fn changes(contents: &Contents) -> Section {
    let rows = contents.changes.iter().map(change_row).collect();
    let count = contents.changes.len();
    let words = format!(
        "Every entry of the period that promotes, rolls back or withdraws a model{}, in the order of the log: {count}. A \
         change is in force from its recorded time on. One that the rules do not let through changed nothing, and is \
         listed all the same.",
        contents.asked.environment.as_ref().map_or_else(String::new, |place| format!(" in {place}"))
    );
    let blocks = vec![
        Block::Words(words),
        table_or(
            "Nothing was changed in the period.",
            "Changes",
            &["entry", "change", "who", "evidence", "commit and ticket", "outcome"],
            rows,
        ),
    ];
    Section { id: "changes", title: "5. Changes", blocks }
}

fn change_row(change: &ChangeRow) -> Vec<Cell> {
    let (outcome, tone) = outcome_of(change);
    vec![
        Cell::text(change.index.to_string()).and(seconds(change.recorded_at)),
        what_changed(change),
        who_changed(change),
        or_dash(change.evidence.iter().map(evidence_line).fold(Cell::default(), Cell::and)),
        commit_of(change),
        Cell::lines(outcome).with(tone),
    ]
}

fn what_changed(change: &ChangeRow) -> Cell {
    let what = match (change.kind, &change.version) {
        (Kind::ModelRolledBack, Some(version)) => format!("{} rolled back to {version}", change.model),
        (_, Some(version)) => format!("{} {version} promoted", change.model),
        (_, None) => format!("{} withdrawn", change.model),
    };
    let was = match &change.from {
        Some(from) => format!("was {} of entry {}", from.version, from.entry),
        None => "was nothing".to_owned(),
    };
    let incident = change.incident.as_ref().map(|id| format!("incident {id}"));
    let strategy = change.strategy.map(|strategy| format!("strategy {strategy}"));
    let sessions = change.session_state.map(|state| format!("sessions {state}"));
    Cell::text(what)
        .and(format!("in {}", change.environment))
        .and(was)
        .and_maybe(strategy)
        .and_maybe(sessions)
        .and_maybe(incident)
        .and_maybe(change.reason.as_ref().map(|reason| format!("reason: {reason}")))
        .and_maybe(change.registered.map(|entry| format!("registered by entry {entry}")))
}

fn who_changed(change: &ChangeRow) -> Cell {
    let line =
        |who: &Who| format!("{} {}", if who.proposed { "proposed by" } else { "approved by" }, who.name());
    let needed = change
        .people_needed
        .map(|needed| format!("policy asks for {needed} signers, {} signed", change.by.len()));
    Cell::lines(change.by.iter().map(line))
        .and_maybe(needed)
        .and(format!("policy of entry {}", change.policy_entry))
}

fn evidence_line(row: &EvidenceRow) -> String {
    let entry = row.entry;
    match &row.says {
        None => format!("entry {entry}: not proved to stand in the log"),
        Some(says) => match &says.evaluation {
            Some(of) => {
                let version =
                    of.suite_version.as_ref().map_or_else(String::new, |version| format!("@{version}"));
                format!(
                    "entry {entry}: {} by {}{version} on {}: {}",
                    of.kind, of.suite, of.dataset, of.outcome
                )
            }
            None => format!("entry {entry}: {}: {}", says.kind, says.what),
        },
    }
}

fn commit_of(change: &ChangeRow) -> Cell {
    let cell = match &change.infra {
        None => Cell::text("no commit"),
        Some(infra) => Cell::text(infra.repository.to_string())
            .and_code(&infra.commit)
            .and_maybe(infra.tag.as_ref().map(|tag| format!("tag {tag}"))),
    };
    cell.and_maybe(change.ticket.as_ref().map(|ticket| format!("ticket {ticket}")))
}

/// What came of a change, and how that sounds.
fn outcome_of(change: &ChangeRow) -> (Vec<String>, Tone) {
    let mut lines = Vec::new();
    let mut tone = Tone::Plain;
    match change.lawful {
        Some(true) => {}
        Some(false) => {
            lines.push("against the rules: it changed nothing".to_owned());
            tone = Tone::Bad;
        }
        None => {
            lines.push("not judged by the rules".to_owned());
            tone = Tone::Warn;
        }
    }
    lines.extend(
        change.findings.iter().filter(|_| change.lawful != Some(false)).map(|code| format!("found: {code}")),
    );
    match &change.completion {
        None => lines.push("no completion reported".to_owned()),
        Some(done) => {
            lines.push(format!(
                "{} by entry {}, {}",
                done.outcome,
                done.by.entry,
                seconds(done.by.recorded_at)
            ));
        }
    }
    if let Some(recovery) = &change.recovery {
        let took = recovery.took_ms.map_or_else(|| "not known".to_owned(), span_text);
        let target =
            recovery.target_ms.map_or_else(String::new, |target| format!(", target {}", span_text(target)));
        lines.push(format!("time to recover {took}{target}"));
        if recovery.is_late == Some(true) {
            lines.push("later than the target".to_owned());
            tone = Tone::Warn;
        }
    }
    if let Some(broken) = &change.break_glass {
        lines.push("break-glass".to_owned());
        let due = broken.due.map_or_else(String::new, |due| format!(", due {}", seconds(due)));
        lines.push(match &broken.ratified {
            Some(by) => format!("ratified by {} in entry {}", names(&by.by), by.entry),
            None if broken.is_overdue => format!("nobody ratified it{due}"),
            None => format!("not ratified yet{due}"),
        });
        if broken.ratified.is_none() {
            tone = if broken.is_overdue { Tone::Bad } else { Tone::Warn };
        }
    }
    (lines, tone)
}

const fn tone_of(class: Class) -> Tone {
    match class {
        Class::Tampered | Class::Violation => Tone::Bad,
        Class::Unclear => Tone::Warn,
        Class::Remark => Tone::Plain,
    }
}

fn exceptions(contents: &Contents) -> Section {
    let told = &contents.exceptions;
    let lists: [(&str, &[u64]); 9] = [
        ("changes against the rules", &told.unlawful),
        ("break-glass", &told.break_glass),
        ("break-glass that nobody ratified in time", &told.not_ratified),
        ("recoveries slower than the policy's target", &told.slow_recoveries),
        ("changes that failed or were called off", &told.failed),
        ("changes without a reported outcome", &told.unreported),
        ("changes that only the proposer signed", &told.unapproved),
        ("promotions that cite no evidence", &told.without_evidence),
        ("attachments redacted", &told.redacted.iter().map(|row| row.by.entry).collect::<Vec<_>>()),
    ];
    let row = |(what, entries): &(&str, &[u64])| {
        let listed: Vec<String> = entries.iter().map(u64::to_string).collect();
        vec![
            Cell::text(*what),
            Cell::text(entries.len().to_string()),
            if listed.is_empty() { Cell::text("–") } else { Cell::text(listed.join(", ")) },
        ]
    };
    let mut blocks =
        vec![table("What to ask about", &["what", "how many", "entries"], lists.iter().map(row).collect())];
    blocks.push(table_or(
        "The verifier found nothing.",
        "Findings in the whole log",
        &["finding", "entry", "what", "accepted"],
        told.findings.iter().map(finding_row).collect(),
    ));
    if told.findings_left_out > 0 {
        blocks.push(Block::Words(format!(
            "{} findings more are counted above, and not listed.",
            told.findings_left_out
        )));
    }
    if !told.redacted.is_empty() {
        let rows = told.redacted.iter().map(|row| {
            vec![entry_cell(&row.by), Cell::code(&row.digest), Cell::text(row.reason.to_string())]
        });
        blocks.push(table("Redacted attachments", &["by", "attachment", "reason"], rows.collect()));
    }
    let words = "Events that the ledger refused are not in the log, and so not here.";
    blocks.push(Block::Words(words.to_owned()));
    Section { id: "exceptions", title: "6. Exceptions", blocks }
}

fn finding_row(finding: &FindingRow) -> Vec<Cell> {
    let index = finding.index.map_or_else(|| "the log".to_owned(), |index| index.to_string());
    let place =
        if finding.index.is_some() && !finding.in_period { Some("outside of the period") } else { None };
    let accepted = finding.accepted.as_ref().map_or_else(
        || Cell::text("–"),
        |accepted| {
            let cell = match &accepted.told {
                Some(told) => entry_cell(told),
                None => Cell::text(format!("entry {}", accepted.entry)),
            };
            cell.and_maybe(accepted.reason.as_ref().map(|reason| format!("reason: {reason}")))
        },
    );
    vec![
        Cell::code(&finding.code).and(finding.class.as_str()).with(tone_of(finding.class)),
        Cell::text(index).and_maybe(place),
        Cell::text(finding.message.clone()),
        accepted,
    ]
}

fn sample(contents: &Contents) -> Section {
    let told = &contents.sample;
    let mut blocks = vec![
        Block::Facts(vec![
            fact("method", Cell::text(told.method)),
            fact("population", Cell::text(format!("{} changes", told.population))),
            fact("asked for", Cell::text(told.asked.to_string())),
            fact("seed", Cell::code(&told.seed)),
            fact("root", Cell::code(&root(told.root))),
        ]),
        Block::Words(
            "The changes of the smallest ranks were drawn; a rank is the SHA-256 of method, seed, root and index. \
             docs/reports.md says how to draw again."
                .to_owned(),
        ),
    ];
    if told.asked == 0 {
        blocks.push(Block::Words("No sample was asked for.".to_owned()));
        return Section { id: "sample", title: "7. Sample", blocks };
    }
    let drawn = told.changes.iter().map(|change| {
        let parts = change.parts.iter().map(|part| format!("{} {}", part.part, part.index));
        vec![Cell::text(change.drawn.index.to_string()), Cell::code(&change.drawn.rank), Cell::lines(parts)]
    });
    blocks.push(table_or(
        "There is no change to draw.",
        "Changes drawn",
        &["entry", "rank", "what speaks for it"],
        drawn.collect(),
    ));
    blocks.extend(told.entries.iter().flat_map(sampled));
    Section { id: "sample", title: "7. Sample", blocks }
}

fn sampled(entry: &SampledEntry) -> Vec<Block> {
    let heading = Block::Heading(format!("Entry {} of the sample", entry.index));
    let (Some(what), Some(json)) = (&entry.what, &entry.entry) else {
        return vec![heading, Block::Words("It could not be read.".to_owned())];
    };
    let text = serde_json::to_string_pretty(json).unwrap_or_default();
    let proof = match &entry.proof {
        Some(proof) => Block::Listing {
            caption: format!("Inclusion proof of entry {}", entry.index),
            text: proof.clone(),
        },
        None => Block::Words(
            "It is not proved: the entries do not lead to the root that was verified.".to_owned(),
        ),
    };
    vec![heading, Block::Listing { caption: what.clone(), text }, proof]
}

fn controls(contents: &Contents) -> Section {
    let words = "What in this ledger supports a control, and what is left to those who run it. The table judges no \
                 organisation: a control is more than its records.";
    let rows = contents.controls.iter().map(control_row).collect();
    let columns = &["control", "status", "what in this ledger shows it", "what is left to the operator"];
    let blocks = vec![Block::Words(words.to_owned()), table("Controls", columns, rows)];
    Section { id: "controls", title: "8. Controls", blocks }
}

fn control_row(row: &ControlRow) -> Vec<Cell> {
    let tone = match row.status {
        Status::Supports => Tone::Good,
        Status::NeedsOperatorAction => Tone::Warn,
        Status::NotCovered => Tone::Bad,
    };
    vec![
        Cell::text(format!("{} {}", row.framework, row.id)).and(row.title.clone()),
        Cell::text(row.status.words()).with(tone),
        Cell::text(row.shown.clone()).and(row.supports.clone()),
        Cell::text(row.left.clone()),
    ]
}

fn appendix(contents: &Contents) -> Section {
    let mut blocks = Vec::new();
    for policy in &contents.policies {
        blocks.push(Block::Listing {
            caption: format!("Policy of entry {}, SHA-256 {}", policy.set.entry, policy.sha256),
            text: policy.text.clone(),
        });
    }
    if let Some(checkpoint) = &contents.verdict.checkpoint {
        blocks.push(Block::Listing {
            caption: format!("Checkpoint at size {}", contents.verdict.size),
            text: checkpoint.clone(),
        });
    }
    if blocks.is_empty() {
        blocks.push(Block::Words("There is none.".to_owned()));
    }
    Section { id: "appendix", title: "Appendix: policies and checkpoint", blocks }
}

/// A time to the second, in UTC.
pub(super) fn seconds(time: Timestamp) -> String {
    Zone::utc().seconds(time)
}

fn entries(count: u64) -> String {
    counted(count, "entry", "entries")
}

fn batches(count: u64) -> String {
    counted(count, "batch", "batches")
}
