//! How much of the log somebody outside holds, since when, and whether that is as much as was asked for.
//!
//! The log's own key vouches for nothing that its holder could not write anew. What does is an earlier checkpoint that
//! the auditor kept, or one that a quorum of the trust root's witnesses cosigned: up to its size, nothing can have been
//! changed since. What lies behind it is not yet held.

use serde::Serialize;

use crate::event::text::Name;
use crate::log::quorum::{Cosignature, QuorumTime};
use crate::time::{MINUTE_MS, Timestamp};

use super::anchor::Anchor;
use super::log_keys::Unvouched;
use super::report::Anchored;
use super::verify::Options;

/// How far a time may lie ahead of the auditor's clock before it tells no age: clocks differ by minutes, as the ledger's
/// own rule for claimed times grants.
const AHEAD_MS_MAX: i64 = 5 * MINUTE_MS;

/// How old may be what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge {
    /// In milliseconds.
    pub span_ms: i64,
    /// When: the verifier reads no clock.
    pub now: Timestamp,
}

/// Up to where somebody outside holds the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The tree size: entries below it are held.
    pub size: u64,
    /// By whom.
    pub by: HeldBy,
    /// When a quorum of witnesses had cosigned it: the log had reached that size by then. None where no quorum did.
    pub at: Option<Timestamp>,
    /// Until when that quorum had seen no larger one: later than `at` where it cosigned again.
    pub seen_at: Option<Timestamp>,
    /// When the ledger recorded the last entry that is held.
    pub recorded_at: Option<Timestamp>,
    /// Whose cosignatures it bears.
    pub witnesses: Vec<Cosignature>,
}

/// Who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// The quorum that the trust root names.
    Quorum,
    /// Whoever kept these checkpoints.
    Checkpoints(Vec<String>),
}

/// How old it is, and by which clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Age {
    /// In milliseconds; negative where the time lies ahead.
    pub ms: i64,
    /// By which clock.
    pub clock: AgeClock,
}

/// Whose clock an age is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgeClock {
    /// Those of the quorum's witnesses.
    Witnesses,
    /// The ledger's: the recorded time of the last entry that is held.
    Ledger,
}

/// What is missing for the log to be anchored as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum Shortfall {
    /// Nothing says which ledger it must be.
    NoTrustRoot,
    /// The log key was replaced without the old one's signature, and nothing from outside covers that.
    LogKeyReplaced {
        /// The entry that replaces it.
        entry: u64,
        /// Why.
        log_key: Unvouched,
    },
    /// The trust root names a quorum, and no note that the log extends is cosigned by it.
    NotHeldByQuorum {
        /// The quorum's name.
        quorum: Name,
    },
    /// More entries are not yet held than was allowed.
    TooManyUnheld {
        /// How many.
        unheld: u64,
        /// How many may be.
        max: u64,
    },
    /// What is held is older than was allowed.
    TooOld {
        /// How old, in milliseconds.
        age_ms: i64,
        /// How old it may be.
        max_ms: i64,
        /// By which clock.
        clock: AgeClock,
    },
    /// An age was asked for, and nothing tells one: nothing is held, or its time lies ahead of the auditor's clock.
    AgeUnknown {
        /// How old it may be, in milliseconds.
        max_ms: i64,
        /// By how much its time lies ahead, where something is held.
        ahead_ms: Option<i64>,
    },
}

impl Shortfall {
    /// Whether it is about how much of the log is held.
    pub(super) const fn is_of_holding(&self) -> bool {
        !matches!(self, Self::NoTrustRoot | Self::LogKeyReplaced { .. })
    }
}

/// What is held, and what is missing.
pub(super) struct Holding {
    pub(super) held: Option<Held>,
    pub(super) unheld: u64,
    pub(super) age: Option<Age>,
    pub(super) shortfalls: Vec<Shortfall>,
}

/// Weighs the anchors, once they are settled, of a log of `size` entries.
pub(super) fn weigh(options: &Options<'_>, anchors: &[Anchor], anchored: Anchored, size: u64) -> Holding {
    let held = most_held(anchors);
    let unheld = size.saturating_sub(held.as_ref().map_or(0, |held| held.size));
    let age = held.as_ref().zip(options.max_age).and_then(|(held, max_age)| age(held, max_age.now));
    let mut shortfalls = Vec::new();
    match anchored {
        Anchored::No => shortfalls.push(Shortfall::NoTrustRoot),
        Anchored::TrustRoot { .. } => {}
        Anchored::UpTo { entry, log_key, .. } => {
            shortfalls.push(Shortfall::LogKeyReplaced { entry, log_key });
        }
    }
    let quorum = options.trust.and_then(|trust| trust.witnesses().quorum());
    if let Some(quorum) = quorum.filter(|_| !anchors.iter().any(|anchor| quorum_of(anchor).is_some())) {
        shortfalls.push(Shortfall::NotHeldByQuorum { quorum: quorum.clone() });
    }
    if let Some(max) = options.max_unheld.filter(|&max| unheld > max) {
        shortfalls.push(Shortfall::TooManyUnheld { unheld, max });
    }
    shortfalls.extend(options.max_age.and_then(|max_age| age_shortfall(age, max_age.span_ms)));
    Holding { held, unheld, age, shortfalls }
}

/// When the quorum had cosigned the anchor, where the log extends it. The empty log is extended by every other.
fn quorum_of(anchor: &Anchor) -> Option<QuorumTime> {
    anchor.covers().filter(|&size| size > 0)?;
    anchor.quorum()
}

/// The largest size that an anchor covers, by the quorum if it can be.
fn most_held(anchors: &[Anchor]) -> Option<Held> {
    let size = anchors.iter().filter_map(Anchor::covers).max().filter(|&size| size > 0)?;
    let there = || anchors.iter().filter(|anchor| anchor.covers() == Some(size));
    let by_quorum = there().filter_map(|anchor| Some((anchor, quorum_of(anchor)?)));
    let by_quorum = by_quorum.max_by_key(|(_, quorum)| quorum.seen_at);
    let names = || there().map(|anchor| anchor.report.name.clone()).collect();
    let anchor = by_quorum.map_or_else(|| there().next(), |(anchor, _)| Some(anchor))?;
    let quorum = by_quorum.map(|(_, quorum)| quorum);
    Some(Held {
        size,
        by: if quorum.is_some() { HeldBy::Quorum } else { HeldBy::Checkpoints(names()) },
        at: quorum.map(|quorum| quorum.time),
        seen_at: quorum.map(|quorum| quorum.seen_at),
        recorded_at: anchor.recorded_at(),
        witnesses: anchor.report.witnesses.clone(),
    })
}

fn age(held: &Held, now: Timestamp) -> Option<Age> {
    match held.seen_at {
        Some(seen_at) => Some(Age { ms: now.since_ms(seen_at), clock: AgeClock::Witnesses }),
        None => Some(Age { ms: now.since_ms(held.recorded_at?), clock: AgeClock::Ledger }),
    }
}

fn age_shortfall(age: Option<Age>, max_ms: i64) -> Option<Shortfall> {
    match age {
        None => Some(Shortfall::AgeUnknown { max_ms, ahead_ms: None }),
        Some(Age { ms, .. }) if ms < -AHEAD_MS_MAX => {
            Some(Shortfall::AgeUnknown { max_ms, ahead_ms: Some(-ms) })
        }
        Some(Age { ms, clock }) => (ms > max_ms).then_some(Shortfall::TooOld { age_ms: ms, max_ms, clock }),
    }
}
