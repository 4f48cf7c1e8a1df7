//! Everything that a verification can find, in one list: code, class, facts and prose
//! (docs/auditing.md, "Findings").

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Deref;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::event::infra::GitId;
use crate::hash::Hash;
use crate::lifecycle::observation::Observation;
use crate::lifecycle::refusal::{GitThing, Refusal};
use crate::signing::public_key::PublicKey;
use crate::time::{Timestamp, span_text};
use crate::words::words;

words! {
    /// What a finding means for the verdict.
    Class, "a class of findings" {
        /// Bytes, hashes or signatures are wrong.
        Tampered = "tampered",
        /// Authentic, and against the rules.
        Violation = "violation",
        /// Beyond what this program can judge; nothing is known to be wrong.
        Unclear = "unclear",
        /// Worth knowing; decides nothing.
        Remark = "remark",
    }
}

macro_rules! findings {
    ($(
        $(#[$meta:meta])*
        $variant:ident { $($field:ident: $type:ty),* $(,)? } = $code:literal, $class:ident;
    )+) => {
        /// Something that a verification found. [`Finding::code`] is stable; the fields are the facts.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[expect(missing_docs, reason = "each variant's message says what its fields are")]
        pub enum Finding {
            $($(#[$meta])* $variant { $($field: $type),* },)+
            /// A rule says no to an authentic entry: the code is `rule.` and the refusal's.
            #[error("entry {index}: {refusal}")]
            Rule { index: u64, refusal: Box<Refusal> },
        }

        impl Finding {
            /// Every code but those of rules, which are `rule.` before each of [`Refusal::CODES`].
            pub const CODES: &'static [&'static str] = &[$($code),+];

            /// The class of every finding with one of [`Self::CODES`].
            #[must_use]
            pub fn class_of(code: &str) -> Option<Class> {
                match code {
                    $($code => Some(Class::$class),)+
                    _ => None,
                }
            }

            /// The stable code.
            #[must_use]
            pub fn code(&self) -> Cow<'static, str> {
                match self {
                    $(Self::$variant { .. } => Cow::Borrowed($code),)+
                    Self::Rule { refusal, .. } => Cow::Owned(format!("rule.{}", refusal.code())),
                }
            }

            /// What it means for the verdict.
            #[must_use]
            pub const fn class(&self) -> Class {
                match self {
                    $(Self::$variant { .. } => Class::$class,)+
                    Self::Rule { refusal, .. } if refusal.needs_upgrade() => Class::Unclear,
                    Self::Rule { .. } => Class::Violation,
                }
            }

            /// The facts, by name.
            fn facts(&self) -> Map<String, Value> {
                let mut facts = Map::new();
                match self {
                    $(Self::$variant { $($field),* } => {
                        $(facts.insert(stringify!($field).into(), json!($field));)*
                    })+
                    Self::Rule { index, .. } => {
                        facts.insert("index".into(), json!(index));
                    }
                }
                facts
            }
        }
    };
}

findings! {
    // Frames.
    /// The bytes where a frame belongs are no sound frame.
    #[error("log file {file:020}, offset {offset}, where entry {index} belongs: {reason}")]
    FrameDamaged { index: u64, file: u64, offset: u64, reason: String } = "frame.damaged", Tampered;
    /// A sound frame stands where one with a lower index belongs.
    #[error("log file {file:020}, offset {offset}: a frame begins with entry {actual} where entry {index} belongs: batches are missing")]
    FrameMissing { index: u64, file: u64, offset: u64, actual: u64 } = "frame.missing", Tampered;
    /// A sound frame whose entries come too late: doubled, or out of order. It is skipped.
    #[error("log file {file:020}, offset {offset}: a frame begins with entry {actual} where entry {index} belongs: doubled, or out of order")]
    FrameMisplaced { index: u64, file: u64, offset: u64, actual: u64 } = "frame.misplaced", Tampered;
    /// A whole frame of a later version.
    #[error("the batch of entry {index} is a frame of version {version}, which this program cannot read: upgrade it")]
    FrameNewer { index: u64, version: u32 } = "frame.newer", Unclear;
    /// A log file's name doesn't continue the log.
    #[error("the log goes on in file {file:020} where entry {index} belongs: a file is missing, or misnamed")]
    LogFileName { index: u64, file: u64 } = "log.file_name", Tampered;
    /// Entries that could not be read; what rests on them was not checked.
    #[error("entries from {index} {} could not be read: the chain and the tree roots behind them could not be checked", until_words(*until))]
    LogUnread { index: u64, until: Option<u64> } = "log.unread", Tampered;
    /// There is no entry at all.
    #[error("the log holds no entry, not even the one that creates the ledger")]
    LogEmpty {} = "log.empty", Tampered;
    /// Nothing says which key signs checkpoints.
    #[error("no log key is known: entry 0 names none that can check signatures, and no trust root was given; checkpoint signatures were not checked")]
    LogKeyUnknown {} = "log_key.unknown", Tampered;

    // Entries.
    /// What comes behind the entry stands where it belongs, or the log ends before it.
    #[error("entry {index} is missing")]
    EntryMissing { index: u64 } = "entry.missing", Tampered;
    /// The bytes are no canonical entry.
    #[error("entry {index}: {reason}")]
    EntryNotCanonical { index: u64, reason: String } = "entry.not_canonical", Tampered;
    /// An entry in a later version's layout.
    #[error("entry {index}: it is in layout version {version}, which this program cannot read: upgrade it")]
    EntryNewer { index: u64, version: u32 } = "entry.newer", Unclear;
    /// The entry says that it stands elsewhere.
    #[error("entry {index}: it says that it is entry {actual}")]
    EntryIndex { index: u64, actual: u64 } = "entry.index", Tampered;
    /// The chain is broken.
    #[error("entry {index}: previous hash is {actual}, expected {expected}")]
    EntryPrevious { index: u64, actual: Hash, expected: Hash } = "entry.previous", Tampered;
    /// A field that a later version fills.
    #[error("entry {index}: it holds a state root, which this program cannot check: upgrade it")]
    EntryStateRoot { index: u64 } = "entry.state_root", Unclear;
    /// Recorded time goes back.
    #[error("entry {index}: recorded at {recorded_at}, before the entry above it ({previous})")]
    TimeDecreases { index: u64, recorded_at: Timestamp, previous: Timestamp } = "time.decreases", Violation;

    // Events and their authors.
    /// The bytes are no canonical event.
    #[error("entry {index}: {reason}")]
    EventNotCanonical { index: u64, reason: String } = "event.not_canonical", Tampered;
    /// An event of a later version.
    #[error("entry {index}: {reason}")]
    EventNewer { index: u64, reason: String } = "event.newer", Unclear;
    /// An author's signature fails.
    #[error("entry {index}: the signature by {key} is not valid: {reason}")]
    SignatureAuthor { index: u64, key: PublicKey, reason: String } = "signature.author", Tampered;
    /// A signature under a key for which signatures prove nothing.
    #[error("entry {index}: the signature by {key} cannot count: {reason}")]
    KeyUnfit { index: u64, key: PublicKey, reason: String } = "key.unfit", Tampered;
    /// A signature that the strict rule refuses and the audit rule accepts.
    #[error("entry {index}: the signature by {key} passes the audit rule and not the strict one: other tools may refuse it")]
    SignatureNotStrict { index: u64, key: PublicKey } = "signature.not_strict", Remark;

    // Attachments. `index` is that of the entry that cites it; of what redacts, where that is at fault.
    /// The bytes are not there, and nobody says that they were removed.
    #[error("entry {index}: its attachment {digest} is missing, and no entry redacts it")]
    AttachmentMissing { index: u64, digest: Hash } = "attachment.missing", Violation;
    /// The bytes are not there, as an entry says.
    #[error("entry {index}: its attachment {digest} was redacted by entry {redacted_by}")]
    AttachmentRedacted { index: u64, digest: Hash, redacted_by: u64 } = "attachment.redacted", Remark;
    /// The bytes are there, and an entry says that they were removed.
    #[error("entry {index}: it redacts the attachment {digest} of entry {cited_by}, whose bytes are still there: opening the ledger for writing removes them where that was cut short")]
    AttachmentNotRemoved { index: u64, digest: Hash, cited_by: u64 } = "attachment.not_removed", Remark;
    /// Other bytes.
    #[error("entry {index}: in place of its attachment {digest} stand bytes with the digest {actual}")]
    AttachmentDamaged { index: u64, digest: Hash, actual: Hash } = "attachment.damaged", Tampered;
    /// The bytes are right, and what an entry says of their number is not.
    #[error("entry {index}: it says that its attachment {digest} has {actual} bytes, and it has {expected}")]
    AttachmentSize { index: u64, digest: Hash, actual: u64, expected: u64 } = "attachment.size", Violation;
    /// A redaction of nothing.
    #[error("entry {index}: it redacts the attachment {digest}, which no entry before it cites")]
    AttachmentRedactsNothing { index: u64, digest: Hash } = "attachment.redacts_nothing", Remark;

    // Git: what an entry's attachments show of its commit, and what clones do.
    /// A clone does not have the commit.
    #[error("entry {index}: the clone of {repository} does not have the commit {commit}")]
    GitCommitMissing { index: u64, repository: String, commit: GitId } = "git.commit_missing", Violation;
    /// A clone does not have the tag.
    #[error("entry {index}: the clone of {repository} has no tag `{tag}`")]
    GitTagMissing { index: u64, repository: String, tag: String } = "git.tag_missing", Violation;
    /// A tag was moved.
    #[error("entry {index}: in the clone of {repository}, the tag `{tag}` points to {actual}, and it pointed to {expected}: it was moved")]
    GitTagMoved { index: u64, repository: String, tag: String, actual: GitId, expected: GitId } = "git.tag_moved", Violation;
    /// A commit that never came to a protected branch, or is no longer there.
    #[error("entry {index}: in the clone of {repository}, the commit {commit} is reachable from no protected branch ({})", branches.join(", "))]
    GitNotProtected { index: u64, repository: String, commit: GitId, branches: Vec<String> } = "git.not_protected", Violation;
    /// A clone that does not hold what would tell.
    #[error("entry {index}: the clone of {repository} cannot tell: it lacks {lacks}")]
    GitCloneShallow { index: u64, repository: String, lacks: String } = "git.clone_shallow", Unclear;
    /// A path proof that does not show that the manifests pin the model.
    #[error("entry {index}: its path proof {digest} does not show that the manifests pin the model: {reason}")]
    GitManifest { index: u64, digest: Hash, reason: String } = "git.manifest", Violation;
    /// A proof whose bytes are not there, or are others.
    #[error("entry {index}: what its attachment {digest} is to prove of a commit could not be checked: the bytes are not there, or are others")]
    GitUnproven { index: u64, digest: Hash } = "git.unproven", Remark;
    /// A tag that leads to another commit than the entry says.
    #[error("entry {index}: in the clone of {repository}, the tag `{tag}` leads to {actual}, and the entry says that it leads to commit {commit}")]
    GitTagLeadsElsewhere { index: u64, repository: String, tag: String, actual: GitId, commit: GitId } = "git.tag_leads_elsewhere", Violation;
    /// A compromised key signed the tag or the commit.
    #[error("entry {index}: {person}'s key {key} signed its Git objects, and entry {revoked_by} says that the key was compromised since entry {since}")]
    GitSignerCompromised { index: u64, key: PublicKey, person: String, since: u64, revoked_by: u64 } = "git.signer_compromised", Violation;
    /// An attached commit or tag that is not the one of the entry.
    #[error("entry {index}: its attachment {digest} is not the Git object that it stands for: {reason}")]
    GitAttached { index: u64, digest: Hash, reason: String } = "git.object", Violation;

    // The files of models. `index` is that of the registration. No rule lets anybody accept these.
    /// A kept signature that is none, is over another model, or isn't by the key that it names.
    #[error("entry {index}: the model signature {digest} that it keeps does not hold: {reason}")]
    ModelSignature { index: u64, digest: Hash, reason: String } = "model.signature", Violation;
    /// Other files than those that were registered.
    #[error("entry {index}: the files of {model} {version} are not those that it registers: {what}")]
    ModelDiffers { index: u64, model: String, version: String, what: String } = "model.differs", Violation;
    /// Files for which no digest can stand.
    #[error("entry {index}: the files of {model} {version} cannot be those that it registers: {reason}")]
    ModelUnreadable { index: u64, model: String, version: String, reason: String } = "model.unreadable", Violation;
    /// No files, where a version was named.
    #[error("entry {index}: the files of {model} {version} are not at {place}")]
    ModelMissing { index: u64, model: String, version: String, place: String } = "model.missing", Violation;
    /// No files, where all versions of a model were looked for.
    #[error("entry {index}: there are no files of {model} {version} to hold against it")]
    ModelAbsent { index: u64, model: String, version: String } = "model.absent", Remark;
    /// Somebody named what was never registered.
    #[error("no lawful entry registers {model}{}", version.as_ref().map(|version| format!(" {version}")).unwrap_or_default())]
    ModelUnregistered { model: String, version: Option<String> } = "model.unregistered", Violation;

    // What the rules notice beside the event itself.
    /// A key signed after the entry from which it is said to be compromised.
    #[error("entry {index}: {person}'s key {key} signed it, and entry {revoked_by} says that the key was compromised since entry {since}")]
    KeyCompromised { index: u64, key: PublicKey, person: String, since: u64, revoked_by: u64 } = "key.compromised", Violation;
    /// What others built on such an entry.
    #[error("entry {index}: it rests on entry {on}, which a compromised key signed")]
    KeyCompromisedBasis { index: u64, on: u64 } = "key.compromised_basis", Remark;
    /// Nobody stood behind a break-glass rollback in time.
    #[error("entry {index}: nobody ratified {person}'s break-glass rollback by {due}")]
    BreakGlassNotRatified { index: u64, person: String, due: Timestamp } = "break_glass.not_ratified", Violation;
    /// A recovery took longer than the policy's target.
    #[error("entry {index}: recovery from incident {incident} took {} by recorded times, the policy's target is {}", span_text(*took_ms), span_text(*target_ms))]
    RecoverySlow { index: u64, incident: String, took_ms: i64, target_ms: i64 } = "recovery.slow", Remark;
    /// What responders claim of a recovery is not what was recorded.
    #[error("entry {index}: recovery from incident {incident} took {} by recorded times and {} by claimed ones", span_text(*recorded_ms), span_text(*claimed_ms))]
    RecoveryTimesDiffer { index: u64, incident: String, recorded_ms: i64, claimed_ms: i64 } = "recovery.times_differ", Remark;
    /// Administrators accepted what nobody found.
    #[error("entry {index}: it accepts `{code}` of entry {entry}, which has no such violation")]
    RatificationVoid { index: u64, entry: u64, code: String } = "ratification.accepts_nothing", Remark;

    // Git.
    /// Embedded Git objects that show something else than the entry says, under rules that do not judge it.
    #[error("entry {index}: what it holds of Git does not fit together, under rules that do not judge it: {reason}")]
    GitUnsound { index: u64, reason: String } = "git.unsound", Remark;
    /// A signature of a Git object that is not checked.
    #[error("entry {index}: the {thing} of its infra commit is signed by {by}, which is not checked")]
    GitSignatureUnchecked { index: u64, thing: GitThing, by: String } = "git.signature_unchecked", Remark;

    // Checkpoints. `index` is that of the batch's last entry.
    /// The note of a batch is not what a canonical encoder writes.
    #[error("checkpoint after entry {index}: {reason}")]
    CheckpointNotCanonical { index: u64, reason: String } = "checkpoint.not_canonical", Tampered;
    /// Another log's name.
    #[error("checkpoint after entry {index}: its origin is `{actual}`, expected `{expected}`")]
    CheckpointOrigin { index: u64, actual: String, expected: String } = "checkpoint.origin", Tampered;
    /// Not the size of the log there.
    #[error("checkpoint after entry {index}: its size is {actual}, expected {expected}")]
    CheckpointSize { index: u64, actual: u64, expected: u64 } = "checkpoint.size", Tampered;
    /// Not the root of the entries so far. Said once for a run of checkpoints.
    #[error("checkpoint after entry {index}: its root is {actual}, the entries give {expected}{}", run_words(*checkpoints))]
    CheckpointRoot { index: u64, actual: Hash, expected: Hash, checkpoints: u64 } = "checkpoint.root", Tampered;
    /// The log key's signature fails or is missing.
    #[error("checkpoint after entry {index}: {reason}")]
    CheckpointSignature { index: u64, reason: String } = "checkpoint.signature", Tampered;
    /// More signature lines than the one of the log key, or the two at a routine rotation of it.
    #[error("checkpoint after entry {index}: it bears {lines} signature lines; the log writes {} there", lines_words(*expected))]
    CheckpointExtraSignature { index: u64, lines: usize, expected: usize } = "checkpoint.extra_signature", Tampered;
    /// A rotation of the log key shares its batch.
    #[error("entry {index}: it replaces the log key in a batch of {entries} entries; a rotation is alone in its batch")]
    LogKeyBoundary { index: u64, entries: u64 } = "log_key.boundary", Violation;

    // Head.
    /// `head` tells nothing.
    #[error("`head` cannot be read: both slots are bad, or its first write did not end; nothing tells which size was published")]
    HeadUnreadable {} = "head.unreadable", Tampered;
    /// There is no `head`.
    #[error("`head` is missing or empty, and the log is not: nothing tells which size was published")]
    HeadMissing {} = "head.missing", Tampered;
    /// One slot is bad, and the log goes on behind what the other one says.
    #[error("one slot of `head` is bad, by an interrupted write or by somebody's hand, and the log goes on behind the {size} entries that the other slot covers: opening the ledger for writing heals it; until then nothing tells which size was published")]
    HeadTorn { size: u64 } = "head.torn", Unclear;
    /// One slot is bad, and nothing hangs on it.
    #[error("one slot of `head` is bad; the other one covers the whole log of {size} entries")]
    HeadSlotBad { size: u64 } = "head.slot_bad", Remark;
    /// `head` is of a later version.
    #[error("`head` is of version {version}, which this program cannot read: upgrade it")]
    HeadNewer { version: u32 } = "head.newer", Unclear;
    /// `head` doesn't fit the log.
    #[error("`head` publishes size {size}: {reason}")]
    HeadDisagrees { size: u64, reason: String } = "head.disagrees", Tampered;
    /// Entries are gone that were published.
    #[error("the log has {size} entries, and `head` published {published}: entries are gone")]
    LogShorterThanHead { size: u64, published: u64 } = "log.shorter_than_head", Tampered;

    // The trust root.
    /// Another log's name.
    #[error("the ledger's origin is `{actual}`, the trust root pins `{expected}`")]
    TrustOrigin { actual: String, expected: String } = "trust.origin", Tampered;
    /// Another entry 0.
    #[error("the ledger id is {actual}, the trust root pins {expected}: another ledger, or one rewritten from its beginning")]
    TrustLedgerId { actual: Hash, expected: Hash } = "trust.ledger_id", Tampered;
    /// Another log key.
    #[error("entry 0 names the log key {actual}, the trust root pins {expected}")]
    TrustLogKey { actual: PublicKey, expected: PublicKey } = "trust.log_key", Tampered;
    /// The log never came to the key that is pinned as its latest.
    #[error("the trust root pins {expected} as a key that the log came to, and it never did: entries are gone, or this is another history")]
    TrustLatestLogKey { expected: PublicKey } = "trust.latest_log_key", Tampered;

    // An evidence pack, around the log in it.
    /// A bundle of entries is not what its name says.
    #[error("{path}: {reason}")]
    PackEntries { path: String, reason: String } = "pack.entries", Tampered;
    /// A tile is not made of the log's hashes.
    #[error("{path}: {reason}")]
    PackTile { path: String, reason: String } = "pack.tile", Tampered;
    /// A bundle of checkpoint notes is not what its name says.
    #[error("{path}: {reason}")]
    PackBatches { path: String, reason: String } = "pack.batches", Tampered;
    /// `files` doesn't fit the batches.
    #[error("{path}: {reason}")]
    PackFiles { path: String, reason: String } = "pack.files", Tampered;
    /// A symbolic link, which is not followed.
    #[error("{path}: {reason}")]
    PackLink { path: String, reason: String } = "pack.link", Tampered;

    // Earlier checkpoints.
    /// Another log's name.
    #[error("earlier checkpoint {name}: its origin is `{actual}`, this log's is `{expected}`")]
    AnchorOrigin { name: String, actual: String, expected: String } = "anchor.origin", Tampered;
    /// Not signed by this log's key.
    #[error("earlier checkpoint {name}: {reason}")]
    AnchorSignature { name: String, reason: String } = "anchor.signature", Tampered;
    /// The log had another content at that size.
    #[error("earlier checkpoint {name}: at size {size} it has the root {expected}, and the log now gives {actual}: history was rewritten")]
    AnchorRoot { name: String, size: u64, actual: Hash, expected: Hash } = "anchor.root", Tampered;
    /// Signed by a key that was compromised then.
    #[error("earlier checkpoint {name}: it is signed by a log key that was compromised since size {since}, as entry {rotation} says, and its size is {size}: it does not count")]
    AnchorUntrusted { name: String, size: u64, since: u64, rotation: u64 } = "anchor.untrusted", Remark;
    /// Signed by a key that was compromised then, over another content than the log's.
    #[error("earlier checkpoint {name}: at size {size} the log now gives another root, and the checkpoint is signed by a log key that was compromised since size {since}, as entry {rotation} says: either it or the log is forged, and nothing here tells which")]
    AnchorContested { name: String, size: u64, since: u64, rotation: u64 } = "anchor.contested", Unclear;
    /// A file in `cosigned/` that says nothing. Anybody who can write there may have put it there, so it decides
    /// nothing either.
    #[error("{name} is no cosigned note of this log, and does not count: {reason}")]
    CosignedUnfit { name: String, reason: String } = "cosigned.unfit", Remark;
    /// Entries are gone that were published.
    #[error("earlier checkpoint {name}: the log has {size} entries, and {published} were published: entries are gone")]
    LogShorterThanCheckpoint { name: String, published: u64, size: u64 } = "log.shorter_than_checkpoint", Tampered;
}

impl Finding {
    /// Every code that can occur, those of rules included.
    pub fn all_codes() -> impl Iterator<Item = String> {
        let own = Self::CODES.iter().map(|code| (*code).to_owned());
        own.chain(Refusal::CODES.iter().map(|code| format!("rule.{code}")))
    }

    /// The entry that it is about; none where it is about the log as a whole.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        self.facts().get("index").and_then(Value::as_u64)
    }
}

impl From<Observation> for Finding {
    fn from(observation: Observation) -> Self {
        let index = observation.entry();
        match observation {
            Observation::GitUnsound { reason, .. } => Self::GitUnsound { index, reason },
            Observation::GitSignatureUnchecked { thing, by, .. } => {
                Self::GitSignatureUnchecked { index, thing, by }
            }
            Observation::NotRatified { person, due, .. } => {
                Self::BreakGlassNotRatified { index, person: person.to_string(), due }
            }
            Observation::RecoverySlow { incident, took_ms, target_ms, .. } => {
                Self::RecoverySlow { index, incident: incident.to_string(), took_ms, target_ms }
            }
            Observation::RecoveryTimesDiffer { incident, recorded_ms, claimed_ms, .. } => {
                Self::RecoveryTimesDiffer { index, incident: incident.to_string(), recorded_ms, claimed_ms }
            }
        }
    }
}

/// A finding, and the entry by which administrators accepted it, if they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    finding: Finding,
    accepted_by: Option<u64>,
}

impl Deref for Found {
    type Target = Finding;

    fn deref(&self) -> &Finding {
        &self.finding
    }
}

impl Found {
    /// The entry by which administrators accepted it. Violations alone can be accepted.
    #[must_use]
    pub const fn accepted_by(&self) -> Option<u64> {
        self.accepted_by
    }

    /// What it means for the verdict: what was accepted stays listed, as a remark.
    #[must_use]
    pub const fn class(&self) -> Class {
        if self.accepted_by.is_some() { Class::Remark } else { self.finding.class() }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.finding, f)?;
        match self.accepted_by {
            Some(entry) => write!(f, " (accepted by entry {entry})"),
            None => Ok(()),
        }
    }
}

impl Serialize for Found {
    /// `code`, `class`, `index`, `message`, `facts`, and `accepted_by` where it was.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code())?;
        map.serialize_entry("class", &self.class())?;
        map.serialize_entry("index", &self.index())?;
        map.serialize_entry("message", &self.finding.to_string())?;
        map.serialize_entry("facts", &self.facts())?;
        if let Some(entry) = self.accepted_by {
            map.serialize_entry("accepted_by", &entry)?;
        }
        map.end()
    }
}

/// How many findings of one code are kept: enough to see where and how; a log of millions of
/// entries must not fill the memory with what one bad byte may cause.
pub const FINDINGS_PER_CODE_MAX: u64 = 1_000;
/// How many missing entries of one gap are kept, so that those of ten gaps are told. The gap's own finding tells its ends.
const MISSING_PER_GAP_MAX: u64 = 100;

/// Findings as they come in.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    counts: BTreeMap<Cow<'static, str>, u64>,
    /// Violations beyond what is kept, by entry and code: each could have been accepted, or not.
    violations_beyond: BTreeSet<(u64, Cow<'static, str>)>,
    /// What administrators accepted: entry and code, and the entry that accepts it.
    acceptances: BTreeMap<(u64, String), u64>,
}

/// Findings, ended.
pub(super) struct Ended {
    /// By entry and code, those about the whole log first.
    pub(super) findings: Vec<Found>,
    pub(super) counts: BTreeMap<Cow<'static, str>, u64>,
    /// Whether a violation that is not among the findings, for there were too many, was not accepted.
    pub(super) violation_beyond: bool,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let code = finding.code();
        let count = self.counts.entry(code.clone()).or_default();
        *count = count.saturating_add(1);
        if *count <= FINDINGS_PER_CODE_MAX {
            self.kept.push(finding);
        } else if finding.class() == Class::Violation {
            self.violations_beyond.insert((finding.index().unwrap_or(u64::MAX), code));
        }
    }

    /// Takes in that the entries of `from` up to `until` are missing. Each is a finding, and is counted as one; so many
    /// are kept of one gap, for its width is whatever somebody wrote into a frame.
    pub(super) fn add_missing(&mut self, from: u64, until: u64) {
        let kept_until = until.min(from.saturating_add(MISSING_PER_GAP_MAX));
        self.extend((from..kept_until).map(|index| Finding::EntryMissing { index }));
        let beyond = until.saturating_sub(kept_until);
        if beyond > 0 {
            let count = self.counts.entry(Finding::EntryMissing { index: from }.code()).or_default();
            *count = count.saturating_add(beyond);
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.add(finding);
        }
    }

    /// How many there are of each code.
    pub(super) const fn counts(&self) -> &BTreeMap<Cow<'static, str>, u64> {
        &self.counts
    }

    /// Whether a violation of an entry below `size` was accepted.
    pub(super) fn accepts_below(&self, size: u64) -> bool {
        self.acceptances.keys().any(|(entry, _)| *entry < size)
    }

    /// Takes in that entry `by` accepts a violation of `entry`.
    pub(super) fn accept(&mut self, entry: u64, code: &str, by: u64) {
        self.acceptances.entry((entry, code.to_owned())).or_insert(by);
    }

    pub(super) fn end(mut self) -> Ended {
        let acceptances = std::mem::take(&mut self.acceptances);
        let mut used: BTreeSet<(u64, String)> = BTreeSet::new();
        let mut accepted_by = |entry: Option<u64>, code: &str| {
            let place = (entry?, code.to_owned());
            let by = acceptances.get(&place).copied()?;
            used.insert(place);
            Some(by)
        };
        let mut findings: Vec<Found> = Vec::with_capacity(self.kept.len());
        for finding in std::mem::take(&mut self.kept) {
            let is_violation = finding.class() == Class::Violation;
            let accepted_by = is_violation.then(|| accepted_by(finding.index(), &finding.code())).flatten();
            findings.push(Found { finding, accepted_by });
        }
        let beyond = std::mem::take(&mut self.violations_beyond);
        let still_open =
            beyond.iter().filter(|(entry, code)| accepted_by(Some(*entry), code).is_none()).count();
        for ((entry, code), by) in acceptances.iter().filter(|(place, _)| !used.contains(place)) {
            let finding = Finding::RatificationVoid { index: *by, entry: *entry, code: code.clone() };
            *self.counts.entry(finding.code()).or_default() += 1;
            findings.push(Found { finding, accepted_by: None });
        }
        findings.sort_by_cached_key(|found| (found.index(), found.code()));
        Ended { findings, counts: self.counts, violation_beyond: still_open > 0 }
    }
}

fn until_words(until: Option<u64>) -> String {
    until.map_or_else(|| "on".to_owned(), |until| format!("to {}", until.saturating_sub(1)))
}

fn lines_words(expected: usize) -> &'static str {
    if expected > 1 { "exactly two" } else { "exactly one" }
}

fn run_words(checkpoints: u64) -> String {
    match checkpoints {
        0 | 1 => String::new(),
        more => format!("; the {} checkpoints after it disagree too", more - 1),
    }
}
