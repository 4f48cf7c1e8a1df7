//! How a command ends when it doesn't end well: a sentence, a hint, an exit code.

use std::fmt::Display;
use std::io::ErrorKind;

use serde_json::json;

use crate::cli::attach::NOT_WRITABLE;
use crate::ledger::create::CreateError;
use crate::ledger::opening::OpeningError;
use crate::ledger::receipt::AppendError;
use crate::lifecycle::refusal::Refusal;
use crate::linkage::git::GitError;
use crate::linkage::model::ModelError;
use crate::log::reader::ReadError;
use crate::signing::agent::AgentError;
use crate::signing::envelope::{DraftError, DsseError, EnvelopeError};
use crate::signing::key_file::{KeyFileError, KeyTextError};
use crate::signing::signer::{OpenSignerError, SignError};
use crate::store::attachments::AttachmentError;
use crate::store::head::HeadError;
use crate::store::lock::LockError;
use crate::store::scan::ScanError;
use crate::verifier::report::Verdict;

/// The variable that may hold the passphrase of the keys that sign.
pub const KEY_PASSPHRASE: &str = "ROLLBOOK_KEY_PASSPHRASE";
/// The variable that may hold the passphrase of the log key.
pub const LOG_KEY_PASSPHRASE: &str = "ROLLBOOK_LOG_KEY_PASSPHRASE";

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

impl Exit {
    /// What a verdict ends in; none where it is sound and anchored as asked.
    #[must_use]
    pub const fn of(verdict: Verdict) -> Option<Self> {
        match verdict.exit_code() {
            0 => None,
            1 => Some(Self::No),
            4 => Some(Self::NotAnchored),
            _ => Some(Self::CannotTell),
        }
    }
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
    /// Whatever else stands in the way, where all of it is known at once.
    pub also: Vec<Failure>,
    /// Whether the answer was printed already.
    pub answered: bool,
}

impl Failure {
    fn new(exit: Exit, code: &'static str, message: &impl Display) -> Self {
        Self { exit, code, message: message.to_string(), hint: None, also: Vec::new(), answered: false }
    }

    /// The command line or an input is wrong.
    pub fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, "usage", &message)
    }

    /// The world failed.
    pub fn world(message: impl Display) -> Self {
        Self::new(Exit::World, "failed", &message)
    }

    /// The answer is no, and no rule of the log's says so.
    pub fn no(code: &'static str, message: impl Display) -> Self {
        Self::new(Exit::No, code, &message)
    }

    /// A file that was named on the command line cannot be read: it is the wrong one, unless the
    /// disk failed.
    #[must_use]
    pub fn input(path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let mut failure = Self::io("read", path, error);
        if let K::NotFound | K::NotADirectory | K::IsADirectory | K::InvalidData | K::PermissionDenied =
            error.kind()
        {
            (failure.exit, failure.code) = (Exit::Usage, "input");
        }
        failure
    }

    /// A file or directory could not be used.
    #[must_use]
    pub fn io(operation: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::world(format!("cannot {operation} {}: {error}", path.display()))
    }

    /// The answer was printed, and this is its exit code.
    #[must_use]
    pub fn answered(exit: Exit) -> Self {
        Self { answered: true, ..Self::new(exit, "answered", &"") }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// All refusals of one event as one failure; none where there is none.
    #[must_use]
    pub fn of_all(refusals: Vec<Refusal>) -> Option<Self> {
        let mut refusals = refusals.into_iter().map(Self::from);
        let mut first = refusals.next()?;
        first.also = refusals.collect();
        Some(first)
    }

    /// As one JSON object. `also` is there where more than one thing stands in the way.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let kind = if self.exit == Exit::No { "refused" } else { "error" };
        let mut told = self.facts_json();
        told["exit"] = json!(self.exit as u8);
        if !self.also.is_empty() {
            told["also"] = self.also.iter().map(Self::facts_json).collect();
        }
        json!({ kind: told })
    }

    fn facts_json(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message, "hint": self.hint })
    }
}

/// What helps after a refusal.
fn advice(refusal: &Refusal) -> Option<String> {
    let plain = refusal_advice(refusal.code())?;
    Some(match refusal {
        Refusal::SignerUnknown { key } | Refusal::KeyUnknown { key } => {
            format!("that is {}; {plain}", key.fingerprint())
        }
        Refusal::EventIdReused { entry, .. } | Refusal::VersionExists { entry, .. } => {
            format!("see `rollbook show {entry}`; {plain}")
        }
        _ => plain.to_owned(),
    })
}

/// What helps after the refusal of this code, where that can be said without its facts (`rollbook explain`).
#[must_use]
pub fn refusal_advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "ledger_not_created" => "make a ledger with `rollbook init`",
        "ledger_already_created" => "name a new directory with --ledger",
        "foreign_ledger" => "name that ledger with --ledger, or draft the event again for this one",
        "event_expired" | "policy_superseded" | "digest_mismatch" => "draft and sign the event again",
        "expiry_too_far" => "draft it again with --expires-in 7d",
        "time_ahead" => "give the time as it was, or set this machine's clock right",
        "proposer_not_signed" => "have them sign: `rollbook --key THEIRS draft sign FILE`",
        "signer_unknown"
        | "key_unknown"
        | "signer_lacks_role"
        | "signer_out_of_scope"
        | "signer_not_in_force" => {
            "see `rollbook key list`; an administrator grants with `rollbook key grant`"
        }
        "signer_revoked" | "key_was_revoked" | "key_is_log_key" | "key_unfit" => {
            "make another key with `rollbook key new FILE`, and have it granted"
        }
        "key_of_another" => "each person has keys of their own; see `rollbook key list`",
        "approver_is_proposer" | "approver_twice" => "have somebody else sign as well",
        "approvals_missing" => "have others sign: add --key, or --draft FILE and `rollbook draft sign FILE`",
        "administrators_must_sign" => "sign with the key of every --admin, and with no other",
        "administrator_twice" => "name each administrator once, with one key",
        "origin_unfit" => "say --origin ledger.example.org/models, with a name of your own",
        "policy_invalid" => "see `rollbook policy show FILE`",
        "threshold_unreachable" => "ask for fewer in the policy, or grant more people the role admin first",
        "too_few_administrators" => {
            "grant another administrator first, or ask for fewer with `rollbook policy set`"
        }
        "validity_empty" => "let --valid-from come before --valid-until",
        "entry_unknown" | "change_unknown" => "see `rollbook log`",
        "model_unknown" | "version_unknown" => {
            "register it with `rollbook register`; see `rollbook log --kind model.registered`"
        }
        "version_retired" => "choose another version; see `rollbook log --kind model.registered`",
        "environment_unknown" | "break_glass_not_allowed" => "see `rollbook policy show`",
        "kind_not_accepted" => {
            "take up the newer rules: `rollbook policy show > policy.toml`, then `rollbook policy set policy.toml`"
        }
        "log_key_not_current" => "draft the rotation again",
        "log_key_used_before" | "log_key_is_persons" => {
            "let `rollbook key rotate-log` make a new key, or name one that nothing else uses with --new-key"
        }
        "order_not_met" => "promote it there first; see `rollbook policy show`",
        "from_mismatch" => "see `rollbook status`, then decide again",
        "already_serving" | "incident_open_already" => "nothing is to do; see `rollbook status`",
        "nothing_serves" => "see `rollbook status`",
        "rollback_target_never_live" | "rollback_target_withdrawn" | "rollback_target_serves" => {
            "see what served with `rollbook log --env E --model M`"
        }
        "change_superseded" => "say --succeeded, or take the newest change back",
        "policy_needs_rules" => "`rollbook policy set FILE` raises the rules with the policy",
        "bounds_empty" => "let min= be at most max=",
        "outcome_contradicted" => "leave the outcome out: it is computed from metrics and bounds",
        "evaluations_too_many" => {
            "give suites and data sets lasting names, and put what changes into their versions"
        }
        "served_too_short" => "wait, or ask for less in the policy; see `rollbook status`",
        "evaluation_missing" | "evaluation_stale" => {
            "evaluate it with `rollbook evaluate`; see `rollbook policy show`"
        }
        "evaluation_failed" => {
            "see what failed with `rollbook show`; a later pass by the same suite on the same data counts"
        }
        "evaluation_unbounded" => "evaluate it again with bounds: --metric NAME=VALUE:max=N",
        "owed_too_many" => "see `rollbook status`; approvers ratify with `rollbook ratify INDEX`",
        "incident_missing" => "open one with `rollbook incident open ID`, and say --incident ID",
        "incident_not_open" => "see `rollbook status`; open one with `rollbook incident open ID`",
        "incident_elsewhere" => "open it there as well: `rollbook incident open ID --env E`",
        "incident_places_too_many" => "open another incident",
        "incident_ends_before" => "give the time as it was",
        "sessions_not_drained" => {
            "drain them, and say --session-state drained; in an emergency see --break-glass"
        }
        "validation_missing" => {
            "evaluate it with `rollbook evaluate --kind shadow`, and cite that entry with --validation"
        }
        "nothing_to_ratify" => "see `rollbook status` for what is owed",
        "ratification_late" => {
            "administrators accept it: `rollbook ratify INDEX --accept break_glass.not_ratified`"
        }
        "finding_not_acceptable" => "see `rollbook verify`, and docs/auditing.md for what each code means",
        "event_id_reused" => "another event needs another --event-id",
        "version_exists" => "register other files as another version",
        "rules_unknown" => "upgrade this program",
        "rules_older" => "draft it again with a newer program",
        "roles_missing" => "name at least one --role",
        "grants_too_many" => "revoke the key, and grant another one what is needed now",
        _ => return evidence_advice(code),
    })
}

/// As [`refusal_advice`], of what is refused over Git.
fn evidence_advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "infra_inconsistent" => "take the commit and its tag from one repository",
        "tag_unsigned" => {
            "tag the commit with `git tag -s`, and name it with --tag; a tag over 16 KiB is attached, and its signature not judged"
        }
        "commit_unsigned" => {
            "sign the commit with `git commit -S`; one over 16 KiB is attached, and its signature not judged"
        }
        "git_signature_unchecked" => {
            "sign with an SSH key: `git config gpg.format ssh`, and `git config user.signingkey FILE`"
        }
        "git_signature_bad" => "see `git verify-tag` and `git verify-commit`; tag or commit again",
        "git_signer_not_allowed" => {
            "grant the key, or name it in the policy's allowed_signers: `rollbook policy show` prints them"
        }
        "git_signer_not_in_force" => "sign with a key that is valid now, or set another policy",
        "git_evidence_unsound" => "name the tag and commit anew; see that the clone is whole: `git fsck`",
        "manifest_missing" => "name the files that hold the model's digest: --manifest PATH",
        "git_evidence_not_attached" => "draft the event again from the repository",
        _ => return None,
    })
}

/// What helps whoever has only keys of other kinds.
const ED25519_ADVICE: &str =
    "make an Ed25519 key with `rollbook key new FILE` or `ssh-keygen -t ed25519`, and have it granted";

/// What helps when a key cannot be used; `variable` may hold its passphrase.
fn key_advice(error: &KeyFileError, variable: &str) -> Option<String> {
    let KeyFileError::Content { path, reason } = error else {
        return match error {
            KeyFileError::Read { .. } => Some("make a key with `rollbook key new FILE`".into()),
            KeyFileError::Exists { .. } => Some("name another file, or say --force".into()),
            _ => None,
        };
    };
    match reason {
        KeyTextError::PassphraseMissing | KeyTextError::PassphraseWrong => {
            let file = if variable == KEY_PASSPHRASE { ", or name a --passphrase-file" } else { "" };
            Some(format!("set {variable}{file}"))
        }
        KeyTextError::OtherAlgorithm { .. } => Some(ED25519_ADVICE.into()),
        KeyTextError::NotPublic => Some(format!("give the public half, as in {}.pub", path.display())),
        _ => None,
    }
}

fn repository_advice(error: &GitError) -> Option<String> {
    match error {
        GitError::NotARepository { .. } => Some("name the repository's directory".into()),
        GitError::UnknownRevision { repository, .. } => {
            Some(format!("see `git -C {} log --all`", repository.display()))
        }
        GitError::UnknownTag { repository, .. } => {
            Some(format!("see `git -C {} tag --list`", repository.display()))
        }
        _ => None,
    }
}

fn model_advice(error: &ModelError) -> Option<String> {
    match error {
        ModelError::Symlink { .. } => Some("put the file itself there, or say --allow-symlinks".into()),
        ModelError::Read { .. } | ModelError::Empty { .. } => {
            Some("name the model's file or directory".into())
        }
        _ => None,
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Self::new(Exit::No, refusal.code(), &refusal);
        failure.hint = advice(&refusal);
        failure
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(refusal) => refusal.into(),
            AppendError::Event(_) => Self::new(Exit::Usage, "event_invalid", &error),
            AppendError::Signature(_) => {
                Self::new(Exit::Usage, "signature_invalid", &error).hint("draft and sign the event again")
            }
            AppendError::ClockBehind { .. } => Self::new(Exit::World, "clock_behind", &error),
            AppendError::ClockAhead { .. } => Self::new(Exit::World, "clock_ahead", &error),
            AppendError::OutcomeUnknown { event_id, .. } => Self::new(Exit::World, "outcome_unknown", &error)
                .hint(format!(
                    "see that the disk works and has room; then the same command with --event-id {event_id} \
                     records it once, or tells where it stands"
                )),
            AppendError::LogKeyMissing { .. } => Self::new(Exit::Usage, "log_key", &error).hint(
                "put the ledger's log key there; where it is lost or stolen, rotate it with --lost or --compromised-since",
            ),
            AppendError::NextLogKeyMissing { .. } => Self::new(Exit::Usage, "next_log_key", &error).hint(
                "submit the draft where `rollbook key rotate-log` made the key, or put that key's file there; \
                 else draft the rotation again",
            ),
            AppendError::Poisoned { .. } => Self::new(Exit::World, "poisoned", &error),
            AppendError::Attachment { .. } => Self::new(Exit::World, "attachment", &error)
                .hint("see who may write in the ledger's attachments/, and that its disk has room"),
            AppendError::Index { .. } => Self::new(Exit::World, "index", &error).hint(INDEX_ADVICE),
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
            E::Lock(LockError::Held { .. }) => (Exit::World, "locked"),
            E::HeadLost => (Exit::World, "head_lost"),
            E::HeadNotOurs { .. } => (Exit::World, "head_not_ours"),
            E::LogKeyReplaced { .. } => (Exit::World, "log_key_replaced"),
            E::HeadDisagrees { .. } => (Exit::World, "head_disagrees"),
            E::Damaged { .. } | E::Scan(ScanError::Damage(_)) => (Exit::World, "log_damaged"),
            E::Shorter { .. } => (Exit::World, "log_shorter"),
            E::Inconsistent { .. } => (Exit::World, "log_inconsistent"),
            E::Newer { .. } | E::Head(HeadError::Version(_)) => (Exit::CannotTell, "newer_version"),
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
            E::LogKey(KeyFileError::Read { error, .. }) if error.kind() == ErrorKind::PermissionDenied => Some(
                "whoever may read the log key records: hand them a draft (--draft FILE), and they run `rollbook draft submit FILE`"
                    .into(),
            ),
            E::LogKey(error) => key_advice(error, LOG_KEY_PASSPHRASE)
                .filter(|_| !matches!(error, KeyFileError::Read { .. }))
                .or_else(|| {
                    Some("rollbook.toml says where the log key is; put the ledger's own there; one that is lost is replaced with `rollbook key rotate-log --lost`".into())
                }),
            E::LogKeyReplaced { .. } => Some("put the file of the new log key there, from the backup or the host where it was made".into()),
            E::HeadNotOurs { .. } => {
                Some("rollbook.toml says where the log key is; put the ledger's own there".into())
            }
            E::Empty { .. } => Some("submit its first event with `rollbook draft submit FILE`".into()),
            E::Scan(ScanError::Damage(_)) => {
                Some("it opens for reading only; `rollbook verify` tells what is damaged".into())
            }
            E::Lock(LockError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                Some("whoever records writes in all of the ledger's directory: see who may with `ls -l`".into())
            }
            E::Lock(LockError::Held { .. }) => Some("wait for it, or allow more time with --lock-timeout 60s".into()),
            E::Shorter { .. } | E::AnchorDisagrees { .. } => Some(
                "put the newest copy of log/ back; `rollbook verify` tells how far this one reaches".into(),
            ),
            E::Index(_) => Some(INDEX_ADVICE.into()),
            _ => disk_advice(&error),
        };
        failure
    }
}

/// What to do where the index can be neither used nor built: the log is as it was.
const INDEX_ADVICE: &str = "see that the ledger's disk works and has room, and try again: the index is built from the log; \
                            reading and `rollbook verify` work meanwhile";

/// What to do about a disk that takes nothing more.
fn disk_advice(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    use std::io::ErrorKind as Kind;
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let advice = match causes.find_map(|cause| cause.downcast_ref::<std::io::Error>())?.kind() {
        Kind::StorageFull => "make room on the disk that it lies on",
        Kind::QuotaExceeded | Kind::FileTooLarge => {
            "raise the quota or the limit on the size of files (`ulimit -f`)"
        }
        Kind::ReadOnlyFilesystem => "see why the disk is mounted for reading only",
        _ => return None,
    };
    Some(format!("{advice}, and try again; reading and `rollbook verify` work meanwhile"))
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
            ReadError::Empty { .. } => {
                failure.hint("submit its first event with `rollbook draft submit FILE`")
            }
            ReadError::NoSuchEntry { .. } => failure.hint("see `rollbook log`"),
            ReadError::NotALedger { .. } => {
                failure.hint("name one with --ledger DIR or ROLLBOOK_LEDGER; make one with `rollbook init`")
            }
            _ => failure,
        }
    }
}

impl From<AttachmentError> for Failure {
    fn from(error: AttachmentError) -> Self {
        let is_ours = match &error {
            AttachmentError::Io { source, .. } => {
                !matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
            }
            _ => true,
        };
        let failure = Self::new(Exit::World, if is_ours { "attachment" } else { NOT_WRITABLE }, &error);
        match disk_advice(&error) {
            None if !is_ours => failure.hint("see who may read and write in the ledger's attachments/"),
            hint => Self { hint, ..failure },
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Event(error) => error.into(),
            CreateError::NotEmpty { .. } | CreateError::Exists { .. } => {
                Self::new(Exit::Usage, "init", &error).hint("name a new directory with --ledger")
            }
            CreateError::Origin(_)
            | CreateError::NotPreparedFor { .. }
            | CreateError::AnchorTaken { .. }
            | CreateError::Trust(_) => Self::new(Exit::Usage, "init", &error),
            _ => Self { hint: disk_advice(&error), ..Self::new(Exit::World, "init", &error) },
        }
    }
}

impl From<KeyFileError> for Failure {
    fn from(error: KeyFileError) -> Self {
        if matches!(error, KeyFileError::Write { .. }) {
            return Self { hint: disk_advice(&error), ..Self::new(Exit::World, "key_file", &error) };
        }
        let failure = Self::new(Exit::Usage, "key_file", &error);
        Self { hint: key_advice(&error, KEY_PASSPHRASE), ..failure }
    }
}

impl From<OpenSignerError> for Failure {
    fn from(error: OpenSignerError) -> Self {
        match error {
            OpenSignerError::File(error) => error.into(),
            OpenSignerError::Agent(AgentError::OtherAlgorithm { .. }) => {
                Self::new(Exit::Usage, "agent", &error).hint(ED25519_ADVICE)
            }
            OpenSignerError::Agent(_) => Self::new(Exit::Usage, "agent", &error)
                .hint("give the private key's file, or have the agent hold it: `ssh-add FILE`"),
            OpenSignerError::Fingerprint(_) => Self::new(Exit::Usage, "key", &error)
                .hint("see it with `rollbook key show FILE`, or `ssh-add -l`"),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { .. } => Self::new(Exit::World, "locked", &error)
                .hint("wait for it, or allow more time with --lock-timeout 60s"),
            LockError::Io { .. } => Self::world(error),
        }
    }
}

impl From<DraftError> for Failure {
    fn from(error: DraftError) -> Self {
        let failure = Self::new(Exit::Usage, "draft", &error);
        match error {
            DraftError::Sign(SignError::Agent(AgentError::Refused { .. })) => {
                failure.hint("say yes when the agent asks, or unlock it: `ssh-add -X`")
            }
            DraftError::Sign(SignError::Agent(AgentError::NotHeld { .. })) => {
                failure.hint("have the agent hold the key: `ssh-add FILE`")
            }
            _ => failure,
        }
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        Self { hint: repository_advice(&error), ..Self::new(Exit::Usage, "git", &error) }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self { hint: model_advice(&error), ..Self::new(Exit::Usage, "model", &error) }
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
    DsseError = "draft",
    EnvelopeError = "draft",
    crate::event::text::TextError = "text",
    crate::event::list::ListError = "list",
    crate::event::body::EventError = "event_invalid",
    crate::lifecycle::policy::PolicyError = "policy",
    crate::time::TimeError = "time",
    crate::words::WordError = "word",
    crate::note::checkpoint::OriginError = "origin",
}
