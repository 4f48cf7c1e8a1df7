//! `rollbook explain`: what the pages say of a code, at the terminal.
//!
//! Nothing is said here that the pages do not say: the tables of docs/auditing.md (verdicts, exit codes, findings,
//! rules), docs/lifecycle.md (the rules themselves) and docs/operating.md (errors of opening) are compiled in and
//! read when somebody asks. What to do about a refusal is the hint that the refusal gives.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::failure::{Failure, refusal_advice};
use crate::cli::tables::{Table, TableError, code as code_in, plain, tables};
use crate::verifier::finding::Class;
use crate::verifier::report::{Report, Verdict};
use crate::words::nearest;

const AUDITING: &str = include_str!("../../docs/auditing.md");
const LIFECYCLE: &str = include_str!("../../docs/lifecycle.md");
const OPERATING: &str = include_str!("../../docs/operating.md");

/// The columns of a table of verdicts, exit codes or findings.
const FINDING_COLUMNS: [&str; 5] = ["code", "class", "what was seen", "what it can mean", "what to do"];
/// The columns of the table of refusals.
const REFUSAL_COLUMNS: [&str; 3] =
    ["code, after `rule.`", "what was seen", "what it can mean, when it is refused"];
/// The columns of the table of rules.
const RULE_COLUMNS: [&str; 3] = ["event", "fact", "outcome"];
/// The columns of the table of errors.
const ERROR_COLUMNS: [&str; 5] = ["code", "exit", "message begins", "what it means", "what to do"];
/// The row that holds for every entry against a rule.
const EVERY_RULE: &str = "rule.…";
/// The code of the one refusal that is always unclear as a finding: a newer program knows those rules.
const UNKNOWN_RULES: &str = "rules_unknown";

/// How many codes a verification's hint names.
const HINTED_MAX: usize = 6;

/// Say what a code means: of a finding, a refusal, a verdict, an exit code, an error.
///
/// For each its class, what was seen, what it can mean, what to do. A refusal has the code of the
/// finding without rule. before it, and both are explained, with the rules that say so. Without a
/// code, all of them are listed with their class, one a line. The texts are those of
/// docs/auditing.md, docs/lifecycle.md and docs/operating.md.
///
/// Exit codes: 0 explained; 2 there is no such code.
///
/// Example:
///   rollbook explain frame.missing
///   rollbook explain from_mismatch
///   rollbook explain 4
///   rollbook --json explain
#[expect(clippy::doc_markdown, reason = "this is help for a terminal, which shows backticks")]
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Explain {
    /// The code, as verify, a refusal or an error prints it; repeats
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
}

/// What the pages say of a code, as plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code.
    pub code: String,
    /// Of a finding, what it means for the verdict; else `verdict`, `not_anchored`, `exit`, `witness` or `error`.
    pub class: String,
    /// What was seen.
    pub seen: String,
    /// What it can mean.
    pub can_mean: String,
    /// What to do.
    pub to_do: String,
    /// Of a rule: what its refusal means, before anything is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The page, and the section in it.
    pub page: String,
}

/// What the pages say of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The code of the refusal.
    pub code: String,
    /// What it can mean.
    pub can_mean: String,
    /// What to do: the hint that the refusal gives.
    pub to_do: String,
    /// The rules that refuse so.
    pub rules: Vec<RuleFact>,
}

/// A rule, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleFact {
    /// The kind of event that it judges.
    pub event: String,
    /// What holds.
    pub fact: String,
}

/// A page that does not hold what is explained from it.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A table that is none.
    #[error("{page}: {error}")]
    Table {
        /// The page.
        page: &'static str,
        /// What is wrong.
        error: TableError,
    },
    /// A table whose columns are not ours.
    #[error("{page}, {section}: the columns of a table of codes are others: {columns}")]
    Columns {
        /// The page.
        page: &'static str,
        /// The section.
        section: String,
        /// The columns that it has.
        columns: String,
    },
    /// A row that does not begin with one code.
    #[error("{page}, {section}: a row begins with `{cell}`, which is no single code")]
    Code {
        /// The page.
        page: &'static str,
        /// The section.
        section: String,
        /// The cell.
        cell: String,
    },
    /// Nothing is said that holds for every rule.
    #[error("docs/auditing.md: a row for `rule.…` is missing")]
    EveryRule,
}

impl Explain {
    /// Runs the command.
    ///
    /// # Errors
    /// There is no such code.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let all = explanations().map_err(Failure::world)?;
        if self.codes.is_empty() {
            return list(&all, context);
        }
        let asked = self.codes.iter().map(|code| find(&all, code)).collect::<Result<Vec<_>, _>>()?;
        for (number, explanation) in asked.into_iter().flatten().enumerate() {
            if context.json() {
                context.print_json(explanation)?;
            } else {
                let gap = if number == 0 { "" } else { "\n" };
                context.print(format_args!("{gap}{}", text(explanation)))?;
            }
        }
        Ok(())
    }
}

/// Points to what explains the findings that decide a verdict, on stderr.
pub fn point_to(context: &Context, report: &Report) {
    let decides = match report.verdict {
        Verdict::Tampered => Class::Tampered,
        Verdict::Violation => Class::Violation,
        Verdict::CannotTell => Class::Unclear,
        Verdict::Sound { .. } => return,
    };
    let mut named = BTreeSet::new();
    let deciding = report.findings.iter().filter(|finding| finding.class() == decides);
    let codes = deciding.map(|finding| finding.code()).filter(|code| named.insert(code.clone()));
    let codes: Vec<_> = codes.take(HINTED_MAX).collect();
    if !codes.is_empty() {
        context.say(format_args!("  hint: rollbook explain {}", codes.join(" ")));
    }
}

/// Everything that is explained: verdicts and exit codes, findings, rules, errors.
///
/// # Errors
/// A page is not as it should be; the tests say that each is.
pub fn explanations() -> Result<Vec<Explanation>, PageError> {
    let auditing = read("docs/auditing.md", AUDITING)?;
    let rules = read("docs/lifecycle.md", LIFECYCLE)?;
    let rules: Vec<_> = rules.iter().filter(|table| table.columns == RULE_COLUMNS).collect();
    let (mut told, mut of_rules) = (Vec::new(), Vec::new());
    let mut every_rule = None;
    for table in auditing.iter().filter(|table| table.columns[0].starts_with("code")) {
        let is_of_rules = table.columns == REFUSAL_COLUMNS;
        if !is_of_rules {
            check(table, &FINDING_COLUMNS, "docs/auditing.md")?;
        }
        for row in &table.rows {
            let code = code_of("docs/auditing.md", table, row)?;
            if is_of_rules {
                of_rules.push((table.section, code, row));
            } else if code == EVERY_RULE {
                every_rule = Some(explained(code, row, table.section));
            } else {
                told.push(explained(code, row, table.section));
            }
        }
    }
    let every_rule = every_rule.ok_or(PageError::EveryRule)?;
    told.extend(
        of_rules.into_iter().map(|(section, code, row)| rule(code, row, section, &every_rule, &rules)),
    );
    for table in read("docs/operating.md", OPERATING)?.iter().filter(|table| table.columns[0] == "code") {
        check(table, &ERROR_COLUMNS, "docs/operating.md")?;
        for row in &table.rows {
            told.push(error(code_of("docs/operating.md", table, row)?, row, table.section));
        }
    }
    Ok(told)
}

fn read(page: &'static str, text: &'static str) -> Result<Vec<Table<'static>>, PageError> {
    tables(text).map_err(|error| PageError::Table { page, error })
}

fn check(table: &Table<'_>, columns: &[&str], page: &'static str) -> Result<(), PageError> {
    if table.columns == columns {
        return Ok(());
    }
    let (section, columns) = (table.section.to_owned(), table.columns.join(", "));
    Err(PageError::Columns { page, section, columns })
}

fn code_of<'a>(page: &'static str, table: &Table<'a>, row: &[&'a str]) -> Result<&'a str, PageError> {
    let cell = row[0];
    code_in(cell).ok_or_else(|| PageError::Code {
        page,
        section: table.section.to_owned(),
        cell: cell.to_owned(),
    })
}

/// A verdict, an exit code or a finding, from its row.
fn explained(code: &str, row: &[&str], section: &str) -> Explanation {
    Explanation {
        code: code.to_owned(),
        class: plain(row[1]),
        seen: plain(row[2]),
        can_mean: plain(row[3]),
        to_do: plain(row[4]),
        refused: None,
        page: format!("docs/auditing.md, {}", plain(section)),
    }
}

/// A rule: what its row says, what holds for every rule, and the rules themselves.
fn rule(code: &str, row: &[&str], section: &str, every: &Explanation, rules: &[&Table<'_>]) -> Explanation {
    let class = if code == UNKNOWN_RULES { Class::Unclear } else { Class::Violation };
    let rows = rules.iter().flat_map(|table| &table.rows);
    let refusing = rows.filter(|row| code_in(row[2]) == Some(code));
    let refused = Refused {
        code: code.to_owned(),
        can_mean: plain(row[2]),
        to_do: plain(refusal_advice(code).unwrap_or_default()),
        rules: refusing.map(|row| RuleFact { event: plain(row[0]), fact: plain(row[1]) }).collect(),
    };
    let (can_mean, to_do) = match class {
        // Nobody accepts what a newer program may find to be in order.
        Class::Unclear => (refused.can_mean.clone(), refused.to_do.clone()),
        _ => (every.can_mean.clone(), every.to_do.replace("CODE", &format!("rule.{code}"))),
    };
    Explanation {
        code: format!("rule.{code}"),
        class: class.to_string(),
        seen: plain(row[1]),
        can_mean,
        to_do,
        refused: Some(refused),
        page: format!("docs/auditing.md, {}", plain(section)),
    }
}

/// An error of opening, or what a command refuses for a reason of its own.
fn error(code: &str, row: &[&str], section: &str) -> Explanation {
    Explanation {
        code: code.to_owned(),
        class: "error".to_owned(),
        seen: format!("the message begins: {} (exit {})", plain(row[2]), plain(row[1])),
        can_mean: plain(row[3]),
        to_do: plain(row[4]),
        refused: None,
        page: format!("docs/operating.md, {}", plain(section)),
    }
}

/// What is explained of a code as somebody writes it: `TAMPERED`, `not anchored`, and a refusal's without `rule.`. More
/// than one where a finding, or what is missing, and an error have the same.
fn find<'a>(all: &'a [Explanation], asked: &str) -> Result<Vec<&'a Explanation>, Failure> {
    let wanted = asked.trim().to_lowercase().replace(' ', "_");
    let bare = |told: &'a Explanation| told.refused.as_ref().map(|refused| refused.code.as_str());
    let is_meant = |told: &&'a Explanation| told.code == wanted || bare(told) == Some(&wanted);
    let found: Vec<_> = all.iter().filter(is_meant).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let known = all.iter().map(|told| told.code.as_str()).chain(all.iter().filter_map(bare));
    let meant = nearest(&wanted, known).map(|near| format!("did you mean `{near}`? "));
    let shown: String = asked.chars().take(64).collect();
    Err(Failure::usage(format!("there is no code `{shown}`"))
        .hint(format!("{}`rollbook explain` lists them all", meant.unwrap_or_default())))
}

fn list(all: &[Explanation], context: &Context) -> Result<(), Failure> {
    let width = all.iter().map(|told| told.code.len()).max().unwrap_or(0);
    for told in all {
        if context.json() {
            context.print_json(told)?;
        } else {
            context.print(format_args!("{:width$}  {}", told.code, told.class))?;
        }
    }
    Ok(())
}

fn text(told: &Explanation) -> String {
    let mut lines = vec![format!("{}: {}", told.code, told.class)];
    let mut say = |what: &str, text: &str| lines.push(format!("  {what:<9} {text}"));
    say("seen:", &told.seen);
    say("can mean:", &told.can_mean);
    say("to do:", &told.to_do);
    if let Some(refused) = &told.refused {
        lines.push(format!("refused, before it is recorded, as {}:", refused.code));
        let mut say = |what: &str, text: &str| lines.push(format!("  {what:<9} {text}"));
        say("can mean:", &refused.can_mean);
        say("to do:", &refused.to_do);
        for rule in &refused.rules {
            say("rule:", &format!("{}: {}", rule.event, rule.fact));
        }
    }
    lines.push(format!("page: {}", told.page));
    lines.join("\n")
}
