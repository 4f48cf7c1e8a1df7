//! `rollbook log`.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::Args;

use crate::cli::context::{Context, json_line};
use crate::cli::failure::Failure;
use crate::cli::show::to_json;
use crate::cli::terminal;
use crate::event::body::Kind;
use crate::event::text::{EnvironmentName, Name};
use crate::hash::Hash;
use crate::log::reader::LoggedEntry;
use crate::signing::envelope::AuthorSignature;
use crate::time::Timestamp;
use crate::timeline::about::About;
use crate::timeline::prose::People;
use crate::timeline::text::{self, Page};

/// How often --follow looks for new entries.
const FOLLOW_PAUSE: Duration = Duration::from_millis(200);

/// The digits of a public key in hex.
const KEY_HEX_DIGITS: usize = 64;
/// How many bytes of lines are written at once.
const LINES_BYTES: usize = 32 * 1024;

/// List entries, oldest first, an entry a line.
///
/// Example:
///   rollbook log --env production --since "7d ago"
///   rollbook log --kind model.promoted --limit 5 --reverse
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Log {
    /// Only this model
    #[arg(long, value_name = "M")]
    pub model: Option<Name>,
    /// Only this environment
    #[arg(long, value_name = "E")]
    pub env: Option<EnvironmentName>,
    /// Only this kind, such as model.promoted; repeats
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<Kind>,
    /// Only entries signed by this person, or this key (SHA256: fingerprint or hex)
    #[arg(long, value_name = "WHO")]
    pub signer: Option<String>,
    /// Only entries about this model digest
    #[arg(long, value_name = "D")]
    pub digest: Option<Hash>,
    /// Only entries with this infra commit, by the first characters of its id
    #[arg(long, value_name = "ID")]
    pub infra_commit: Option<String>,
    /// Only entries recorded at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only entries recorded before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many entries: the first ones, or with --reverse the last
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Newest first
    #[arg(long, conflicts_with = "follow")]
    pub reverse: bool,
    /// Go on with new entries as they are published
    #[arg(long)]
    pub follow: bool,
}

/// The filters, with times read.
struct Filter<'a> {
    args: &'a Log,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Log {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let (since, until) = context.range(self.since.as_ref(), self.until.as_ref())?;
        let filter = Filter { args: &self, since, until };
        let mut people = People::default();
        let mut printed = 0;
        let mut next = self.pass(context, &filter, &mut people, 0, &mut printed)?;
        if printed == 0 && !self.follow && self.limit != Some(0) {
            context.say("no entry fits");
        }
        while self.follow && self.limit.is_none_or(|limit| printed < limit) {
            std::thread::sleep(FOLLOW_PAUSE);
            next = self.pass(context, &filter, &mut people, next, &mut printed)?;
        }
        Ok(())
    }

    /// Prints what is published from index `from` on; gives the index after it.
    fn pass(
        &self,
        context: &Context,
        filter: &Filter<'_>,
        people: &mut People,
        from: u64,
        printed: &mut usize,
    ) -> Result<u64, Failure> {
        let reader = context.reader()?;
        if reader.size() <= from {
            return Ok(from);
        }
        let page = terminal::page(context);
        let mut last: VecDeque<String> = VecDeque::new();
        let mut lines = Lines { context, text: String::new() };
        let read = reader.for_each::<Failure>(from, |logged| {
            people.learn(&logged.event);
            if !filter.admits(&logged, people) {
                return Ok(ControlFlow::Continue(()));
            }
            let line = render(context, &logged, people, &page)?;
            if self.reverse {
                last.push_front(line);
                last.truncate(self.limit.unwrap_or(usize::MAX));
                return Ok(ControlFlow::Continue(()));
            }
            if self.limit.is_some_and(|limit| *printed >= limit) {
                return Ok(ControlFlow::Break(()));
            }
            *printed += 1;
            lines.add(&line)?;
            Ok(ControlFlow::Continue(()))
        });
        *printed += last.len();
        last.iter().try_for_each(|line| lines.add(line))?;
        lines.print()?;
        read?;
        Ok(reader.size())
    }
}

/// Lines on their way to stdout: many of them share a write.
struct Lines<'a> {
    context: &'a Context,
    text: String,
}

impl Lines<'_> {
    fn add(&mut self, line: &str) -> Result<(), Failure> {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        if self.text.len() > LINES_BYTES { self.print() } else { Ok(()) }
    }

    fn print(&mut self) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() { Ok(()) } else { self.context.print(text) }
    }
}

fn render(context: &Context, logged: &LoggedEntry, people: &People, page: &Page) -> Result<String, Failure> {
    if context.json() {
        json_line(&to_json(logged, people, None))
    } else {
        Ok(text::list_line(logged, people, page))
    }
}

impl Filter<'_> {
    fn admits(&self, logged: &LoggedEntry, people: &People) -> bool {
        let Log { model, env, kind, digest, infra_commit, signer, .. } = self.args;
        let recorded = logged.entry.recorded_at;
        let about = About::of(&logged.event);
        self.since.is_none_or(|since| recorded >= since)
            && self.until.is_none_or(|until| recorded < until)
            && (kind.is_empty() || kind.contains(&logged.event.kind()))
            && model.as_ref().is_none_or(|model| about.model == Some(model))
            && env.as_ref().is_none_or(|env| about.environment == Some(env))
            && digest.is_none_or(|digest| about.digest == Some(digest))
            && infra_commit.as_ref().is_none_or(|id| {
                about
                    .infra
                    .is_some_and(|infra| infra.commit.to_string().starts_with(&id.to_ascii_lowercase()))
            })
            && signer.as_ref().is_none_or(|who| signed_by(logged, people, who))
    }
}

/// Whether `who` signed: a person's name, a key's fingerprint, or the key in hex.
fn signed_by(logged: &LoggedEntry, people: &People, who: &str) -> bool {
    let is_fingerprint = who.starts_with("SHA256:");
    logged.entry.envelope.signatures().iter().any(|AuthorSignature { key, .. }| {
        people.is_named(key, who)
            || (is_fingerprint && key.fingerprint().to_string() == who)
            || (who.len() == KEY_HEX_DIGITS && key.to_string() == who)
    })
}
