//! Recording what other systems report: several events of one delivery, each on its own.
//!
//! The event's id is derived from the sender's own, so a delivery that comes twice is recorded once, whatever
//! else it says the second time: the answer is the first receipt.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure};
use crate::cli::record::{RecordArgs, first_key, header, sign};
use crate::event::body::{Body, Event};
use crate::event::header::{Basis, EventId};
use crate::event::text::Name;
use crate::hash::Hash;
use crate::ledger::receipt::{AppendError, Receipt};
use crate::ledger::writer::Ledger;
use crate::signing::envelope::Envelope;
use crate::signing::public_key::PublicKey;
use crate::time::Timestamp;
use crate::timeline::prose;

/// Something that another system saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What the answer calls it.
    pub called: String,
    /// The system.
    pub system: Name,
    /// That system's own id of the report.
    pub id: Name,
    /// When the system says that it happened.
    pub at: Timestamp,
    /// What happened.
    pub body: Body,
}

/// A report that tells nothing that could be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What the answer calls it.
    pub called: String,
    /// Why.
    pub reason: String,
}

/// What became of one report.
enum Answer {
    Recorded(Box<Event>, Receipt),
    WouldBe(Box<Event>),
    Failed(Failure),
}

/// Records each report that can be, and tells of each, in order, what became of it. Options that say something of
/// one event (its id, time, draft or attachments) are for the caller to refuse.
///
/// # Errors
/// Some were skipped or refused: exit code 1, all told. Or the world failed.
pub fn record_observations(
    context: &Context,
    args: &RecordArgs,
    reports: &[Result<Observation, Skipped>],
) -> Result<(), Failure> {
    let signers = context.signers()?;
    let proposer = first_key(&signers)?;
    let ledger = context.writer()?;
    let events = Events { context, args, ledger: &ledger, proposer, ledger_id: ledger.charter()?.ledger_id };
    let (events, first) = events.build(reports)?;
    let envelopes = events.iter().map(|event| Ok(sign(event, &signers)?.into_envelope()?));
    let envelopes = envelopes.collect::<Result<Vec<_>, Failure>>()?;
    let mut answers = if args.dry_run {
        try_all(&ledger, events, envelopes)
    } else {
        append_all(&ledger, events, envelopes)
    };
    context.warn_all(&ledger);
    let mut worst = None;
    for (report, place) in reports.iter().zip(first) {
        let exit = match (report, place) {
            (Ok(observation), Some(place)) => {
                let told = answers[place].tell(context, &observation.called)?;
                answers[place].is_told();
                told
            }
            (Err(skipped), _) => skipped.tell(context)?,
            (Ok(_), None) => unreachable!("each observation has its event"),
        };
        worst = worst.max(exit);
    }
    match worst {
        None => Ok(()),
        Some(1) => Err(Failure::answered(Exit::No)),
        Some(_) => Err(Failure::answered(Exit::World)),
    }
}

/// What the events of a delivery are built from.
struct Events<'a> {
    context: &'a Context,
    args: &'a RecordArgs,
    ledger: &'a Ledger,
    proposer: PublicKey,
    ledger_id: Hash,
}

impl Events<'_> {
    /// One event a sender's id; and of each report, which one it is.
    fn build(
        &self,
        reports: &[Result<Observation, Skipped>],
    ) -> Result<(Vec<Event>, Vec<Option<usize>>), Failure> {
        let mut events: Vec<Event> = Vec::new();
        let mut places: BTreeMap<EventId, usize> = BTreeMap::new();
        let mut first = Vec::with_capacity(reports.len());
        for report in reports {
            let Ok(observation) = report else {
                first.push(None);
                continue;
            };
            let id = EventId::derive(observation.system.as_str(), observation.id.as_str());
            let place = *places.entry(id).or_insert(events.len());
            if place == events.len() {
                events.push(self.event(id, observation)?);
            }
            first.push(Some(place));
        }
        Ok((events, first))
    }

    /// The event of an observation; where it was recorded already, that very event.
    fn event(&self, event_id: EventId, observation: &Observation) -> Result<Event, Failure> {
        let Observation { system, id, at, body, .. } = observation;
        let basis = Basis::Observed { system: system.clone(), id: id.clone() };
        let now = self.context.now();
        let earlier = self.ledger.recorded_event(&event_id, now)?;
        if let Some(earlier) = earlier.filter(|earlier| earlier.header.basis == basis) {
            return Ok(earlier);
        }
        let mut header = header(self.args, self.ledger_id, self.proposer, now)?;
        (header.event_id, header.claimed_at, header.basis) = (event_id, *at, basis);
        Ok(Event { header, body: body.clone() })
    }
}

fn try_all(ledger: &Ledger, events: Vec<Event>, envelopes: Vec<Envelope>) -> Vec<Answer> {
    let tried = events.into_iter().zip(envelopes).map(|(event, envelope)| match ledger.missing(envelope) {
        Err(error) => Answer::Failed(error.into()),
        Ok(missing) => {
            Failure::of_all(missing).map_or_else(|| Answer::WouldBe(Box::new(event)), Answer::Failed)
        }
    });
    tried.collect()
}

fn append_all(ledger: &Ledger, events: Vec<Event>, envelopes: Vec<Envelope>) -> Vec<Answer> {
    let answer = |(event, outcome): (Event, Result<Receipt, AppendError>)| match outcome {
        Ok(receipt) => Answer::Recorded(Box::new(event), receipt),
        Err(error) => Answer::Failed(error.into()),
    };
    events.into_iter().zip(ledger.append_batch(envelopes)).map(answer).collect()
}

impl Answer {
    /// Prints what became of a report. Gives the exit code of a failure.
    fn tell(&self, context: &Context, called: &str) -> Result<Option<u8>, Failure> {
        let (outcome, text, json) = match self {
            Self::Recorded(event, receipt) => {
                let mut json = serde_json::to_value(receipt).map_err(Failure::world)?;
                json["kind"] = json!(event.kind());
                let (word, outcome) = if receipt.repeated {
                    ("already recorded as", "already_recorded")
                } else {
                    ("recorded as", "recorded")
                };
                let entry = receipt.index;
                (outcome, format!("{word} entry {entry}: {called}: {}", prose::one_line(event)), json)
            }
            Self::WouldBe(event) => {
                let text = format!("would be accepted: {called}: {}", prose::one_line(event));
                ("would_be_accepted", text, json!({ "event": event }))
            }
            Self::Failed(failure) => {
                let word = if failure.exit == Exit::No { "refused" } else { "failed" };
                let hint = failure.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                (word, format!("{word}: {called}: {}{hint}", failure.message), failure.to_json())
            }
        };
        print(context, called, outcome, &text, json)?;
        Ok(match self {
            Self::Failed(failure) => Some(failure.exit as u8),
            _ => None,
        })
    }

    /// Where the same report stands in the delivery once more, it is recorded already.
    const fn is_told(&mut self) {
        if let Self::Recorded(_, receipt) = self {
            receipt.repeated = true;
        }
    }
}

impl Skipped {
    /// Prints why. Gives the exit code.
    fn tell(&self, context: &Context) -> Result<Option<u8>, Failure> {
        let Self { called, reason } = self;
        let text = format!("skipped: {called} {reason}");
        print(context, called, "skipped", &text, json!({ "reason": reason }))?;
        Ok(Some(Exit::No as u8))
    }
}

fn print(context: &Context, called: &str, outcome: &str, text: &str, mut json: Value) -> Result<(), Failure> {
    if !context.json() {
        return context.print(prose::visible(text));
    }
    json["report"] = json!(called);
    json["outcome"] = json!(outcome);
    context.print_json(&json)
}
