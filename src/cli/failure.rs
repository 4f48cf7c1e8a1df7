//! How a command ends when it doesn't end well: a sentence, a hint, an exit code.

use std::fmt::Display;

use serde_json::json;

use crate::ledger::create::CreateError;
use crate::ledger::opening::OpeningError;
use crate::ledger::receipt::AppendError;
use crate::lifecycle::refusal::Refusal;
use crate::linkage::git::GitError;
use crate::linkage::model::ModelError;
use crate::log::reader::ReadError;
use crate::signing::envelope::{DraftError, DsseError, EnvelopeError};
use crate::signing::key_file::KeyFileError;
use crate::signing::signer::OpenSignerError;

/// Exit codes (docs/operating.md, "Exit codes"; `rollbook help`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The answer is no.
    No = 1,
    /// The command line or an input file is wrong.
    Usage = 2,
    /// The world failed: disk, lock, network.
    World = 3,
    /// Sound, but not anchored as asked.
    NotAnchored = 4,
    /// Written by a newer version.
    CannotTell = 5,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A stable word for machines.
    pub code: &'static str,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the answer was printed already.
    pub answered: bool,
}

impl Failure {
    fn new(exit: Exit, code: &'static str, message: &impl Display) -> Self {
        Self { exit, code, message: message.to_string(), hint: None, answered: false }
    }

    /// The command line or an input is wrong.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, "usage", &message)
    }

    /// The world failed.
    pub fn world(message: impl Display) -> Self {
        Self::new(Exit::World, "failed", &message)
    }

    /// A file or directory could not be used.
    #[must_use]
    pub fn io(operation: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::world(format!("cannot {operation} {}: {error}", path.display()))
    }

    /// The answer was printed, and this is its exit code.
    #[must_use]
    pub fn answered(exit: Exit) -> Self {
        Self { exit, code: "answered", message: String::new(), hint: None, answered: true }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// As one JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let kind = if self.exit == Exit::No { "refused" } else { "error" };
        json!({ kind: { "code": self.code, "message": self.message, "hint": self.hint } })
    }
}

/// What helps after a refusal.
fn advice(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal {
        Refusal::FromMismatch { .. } => "see `rollbook status`, then decide again",
        Refusal::ApprovalsMissing { .. } => {
            "have others sign: add --key, or --draft FILE and `rollbook draft sign FILE`"
        }
        Refusal::SignerUnknown { .. } => {
            "see `rollbook key list`; an administrator grants with `rollbook key grant`"
        }
        Refusal::SignerLacksRole { .. } | Refusal::SignerOutOfScope { .. } => "see `rollbook key list`",
        Refusal::EnvironmentUnknown { .. } => "see `rollbook policy show`",
        Refusal::OrderNotMet { .. } => "promote it there first; see `rollbook policy show`",
        Refusal::ModelUnknown { .. } | Refusal::VersionUnknown { .. } => {
            "register it with `rollbook register`; see `rollbook log --kind model.registered`"
        }
        Refusal::PolicySuperseded { .. } | Refusal::EventExpired { .. } => "draft and sign the event again",
        Refusal::TargetNeverLive { .. } | Refusal::TargetWithdrawn { .. } => {
            "see what served with `rollbook log --env E --model M`"
        }
        _ => return None,
    })
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::new(Exit::No, refusal.code(), &refusal);
        failure.hint = advice(&refusal).map(str::to_owned);
        failure
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(refusal) => refusal.into(),
            AppendError::Event(_) => Self::new(Exit::Usage, "event_invalid", &error),
            AppendError::Signature(_) => Self::new(Exit::Usage, "signature_invalid", &error),
            AppendError::ClockBehind { .. } => Self::new(Exit::World, "clock_behind", &error),
            AppendError::ClockAhead { .. } => Self::new(Exit::World, "clock_ahead", &error),
            AppendError::OutcomeUnknown { .. } => Self::new(Exit::World, "outcome_unknown", &error),
            AppendError::Poisoned { .. } => Self::new(Exit::World, "poisoned", &error),
            AppendError::Index { .. } => Self::new(Exit::World, "index", &error),
        }
    }
}

impl From<OpeningError> for Failure {
    fn from(error: OpeningError) -> Self {
        use OpeningError as E;
        let (exit, code) = match &error {
            E::Config(crate::ledger::config::ConfigError::Io { .. }) => (Exit::World, "settings"),
            E::Config(_) => (Exit::Usage, "not_a_ledger"),
            E::LogKey(_) => (Exit::Usage, "log_key"),
            E::Origin(_) | E::Vkey(_) => (Exit::Usage, "settings"),
            E::Empty { .. } => (Exit::Usage, "empty_ledger"),
            E::Lock(_) => (Exit::World, "locked"),
            E::HeadLost => (Exit::World, "head_lost"),
            E::HeadNotOurs { .. } => (Exit::World, "head_not_ours"),
            E::HeadDisagrees { .. } => (Exit::World, "head_disagrees"),
            E::Damaged { .. } => (Exit::World, "log_damaged"),
            E::Shorter { .. } => (Exit::World, "log_shorter"),
            E::Inconsistent { .. } => (Exit::World, "log_inconsistent"),
            E::Newer { .. } => (Exit::CannotTell, "newer_version"),
            E::Anchor(_) | E::AnchorUnreadable { .. } => (Exit::World, "anchor"),
            E::AnchorDisagrees { .. } => (Exit::World, "anchor_disagrees"),
            E::Index(_) => (Exit::World, "index"),
            _ => (Exit::World, "failed"),
        };
        let mut failure = Self::new(exit, code, &error);
        failure.hint = match &error {
            E::Config(crate::ledger::config::ConfigError::NotALedger { .. }) => {
                Some("name one with --ledger DIR or ROLLBOOK_LEDGER; make one with `rollbook init`".into())
            }
            E::Lock(_) => Some("wait for it, or allow more time with --lock-timeout 60s".into()),
            E::Shorter { .. } | E::AnchorDisagrees { .. } => Some(
                "put the newest copy of log/ back; `rollbook verify` tells how far this one reaches".into(),
            ),
            _ => None,
        };
        failure
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let (exit, code) = match &error {
            ReadError::NotALedger { .. } => (Exit::Usage, "not_a_ledger"),
            ReadError::Empty { .. } => (Exit::Usage, "empty_ledger"),
            ReadError::NoSuchEntry { .. } => (Exit::Usage, "no_such_entry"),
            ReadError::Event { error, .. } if error.needs_upgrade() => (Exit::CannotTell, "newer_version"),
            _ => (Exit::World, "log_unreadable"),
        };
        let failure = Self::new(exit, code, &error);
        match error {
            ReadError::NotALedger { .. } => {
                failure.hint("name one with --ledger DIR or ROLLBOOK_LEDGER; make one with `rollbook init`")
            }
            _ => failure,
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Event(error) => error.into(),
            CreateError::Origin(_)
            | CreateError::NotEmpty { .. }
            | CreateError::Exists { .. }
            | CreateError::NotPreparedFor { .. }
            | CreateError::AnchorTaken { .. }
            | CreateError::Trust(_) => Self::new(Exit::Usage, "init", &error),
            _ => Self::new(Exit::World, "init", &error),
        }
    }
}

macro_rules! usage_errors {
    ($($type:ty = $code:literal),+ $(,)?) => {
        $(impl From<$type> for Failure {
            fn from(error: $type) -> Self {
                Self::new(Exit::Usage, $code, &error)
            }
        })+
    };
}

usage_errors! {
    KeyFileError = "key_file",
    OpenSignerError = "key",
    DraftError = "draft",
    DsseError = "draft",
    EnvelopeError = "draft",
    GitError = "git",
    ModelError = "model",
    crate::event::text::TextError = "text",
    crate::event::list::ListError = "list",
    crate::event::body::EventError = "event_invalid",
    crate::lifecycle::policy::PolicyError = "policy",
    crate::time::TimeError = "time",
    crate::words::WordError = "word",
    crate::note::checkpoint::OriginError = "origin",
}
