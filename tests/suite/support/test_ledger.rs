//! The one way to a ledger for tests: a directory, people with keys from seeds, a clock that is set.
//!
//! Everything goes through the ledger's own doors; logs that no ledger would write are forged elsewhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use rollbook::event::authority::{
    KeyGranted, LedgerCreated, LogKeyRotated, NamedKey, Policy, Role, RotationCause, Scope,
};
use rollbook::event::body::{Body, Event};
use rollbook::event::glob::Glob;
use rollbook::event::header::{Attachment, Basis, EXPIRY_DEFAULT_MS, EventId, FORMAT_VERSION, Header};
use rollbook::event::infra::{GitId, InfraCommit};
use rollbook::event::list::Ascending;
use rollbook::event::model::{DigestMethod, ModelDigest, ModelRegistered};
use rollbook::event::release::{ModelPromoted, Serving};
use rollbook::event::remark::{AttachmentRedacted, NoteAdded, NoteSubject};
use rollbook::event::text::{EnvironmentName, Name, PolicyText, Text};
use rollbook::hash::Hash;
use rollbook::ledger::config::Config;
use rollbook::ledger::create::{found, prepare};
use rollbook::ledger::opening::{OpenOptions, OpeningError};
use rollbook::ledger::receipt::Receipt;
use rollbook::ledger::writer::{ClockTrust, Ledger};
use rollbook::lifecycle::rules::RULES_VERSION;
use rollbook::log::reader::{LogReader, LoggedEntry, ReadError};
use rollbook::merkle::tree::Frontier;
use rollbook::note::checkpoint::open_checkpoint;
use rollbook::note::vkey::VerifierKey;
use rollbook::signing::envelope::{Draft, Envelope};
use rollbook::signing::key_file::{Existing, KeyFormat, Readers, SecretKey, write_private_key};
use rollbook::signing::signer::Signer;
use rollbook::store::disk::{Disk, RealDisk};
use rollbook::time::{Clock, Timestamp};
use tempfile::TempDir;

pub(crate) const ORIGIN: &str = "example.com/releases";
pub(crate) const MODEL: &str = "credit-scorer";
pub(crate) const STAGING: &str = "staging";
/// 2026-03-02T09:00:00Z, when every test ledger is founded.
const FOUNDED_AT_MS: i64 = 1_772_442_000_000;
const POLICY: &str = "schema = 1\nadministrators.threshold = 1\n[[environment]]\nname = \"staging\"\n";

/// People and their keys' seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Admin = 1,
    Registrar = 2,
    Deployer = 3,
    Approver = 4,
    Responder = 5,
    Evaluator = 6,
    LogKey = 9,
    NextLogKey = 10,
    ThirdLogKey = 11,
    Stranger = 66,
}

impl Who {
    pub(crate) fn secret(self) -> SecretKey {
        SecretKey::from_seed(&[self as u8; 32])
    }

    /// The same key, to sign what no ledger would.
    pub(crate) fn signing_key(self) -> SigningKey {
        SigningKey::from_bytes(&[self as u8; 32])
    }

    fn named(self) -> NamedKey {
        NamedKey { person: name(&format!("{self:?}").to_lowercase()), key: self.secret().public_key() }
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance_ms(&self, span_ms: i64) {
        self.0.fetch_add(span_ms, Ordering::SeqCst);
    }
}

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// A ledger's directory, with all it takes to open it and to write events for it.
#[derive(Debug)]
pub(crate) struct TestLedger {
    /// Gone when this is dropped; holds the ledger, its key and its anchors.
    root: TempDir,
    pub(crate) clock: Arc<TestClock>,
    id: Hash,
    event_ids: AtomicU64,
}

impl TestLedger {
    /// Founded under rules version 2 and this policy of schema 2 (entry 0); registrar, deployer, approver, responder and
    /// evaluator have their roles (entries 1 to 5).
    pub(crate) fn governed(policy: &str) -> Self {
        let mut ledger = Self::prepared(&[]);
        let policy = Policy { schema: 2, text: PolicyText::new(policy).unwrap() };
        let founding = ledger.founding_under(policy, 2);
        ledger.found(founding);
        let grants = [
            (Who::Registrar, Role::Registrar),
            (Who::Deployer, Role::Deployer),
            (Who::Approver, Role::Approver),
            (Who::Responder, Role::Responder),
            (Who::Evaluator, Role::Evaluator),
        ];
        let open = ledger.open();
        open.append_batch(grants.map(|(who, role)| ledger.grant_everywhere(who, role)).to_vec())
            .into_iter()
            .for_each(|outcome| drop(outcome.unwrap()));
        drop(open);
        ledger
    }

    fn found(&mut self, founding: Envelope) {
        let (receipt, _) = found(&self.dir(), &Who::LogKey.secret(), founding, self.now()).unwrap();
        assert_eq!(receipt.index, 0);
        self.id = receipt.leaf_hash;
    }

    /// Founded (entry 0), and with keys granted to registrar, deployer and approver (entries 1 to 3).
    pub(crate) fn new() -> Self {
        Self::with_anchors(&[])
    }

    /// As [`TestLedger::new`], with anchors of these names beside the ledger's directory.
    pub(crate) fn with_anchors(anchors: &[&str]) -> Self {
        let mut ledger = Self::prepared(anchors);
        let founding = ledger.founding();
        ledger.found(founding);
        let grants = [
            (Who::Registrar, Role::Registrar),
            (Who::Deployer, Role::Deployer),
            (Who::Approver, Role::Approver),
        ];
        for outcome in ledger.open().append_batch(grants.map(|(who, role)| ledger.grant(who, role)).to_vec())
        {
            outcome.unwrap();
        }
        ledger
    }

    /// The directory and the log key of a ledger that is not founded yet.
    pub(crate) fn prepared(anchors: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("ledger");
        let clock = Arc::new(TestClock(AtomicI64::new(FOUNDED_AT_MS)));
        let anchors = anchors.iter().map(|anchor| Path::new("..").join(anchor)).collect();
        let config = Config {
            format: 1,
            origin: ORIGIN.into(),
            log_key: "../log.pem".into(),
            log_key_readers: Readers::Owner,
            anchors,
        };
        prepare(&dir, &config).unwrap();
        let key_file = root.path().join("log.pem");
        let log_key = Who::LogKey.secret();
        write_private_key(&key_file, &log_key, KeyFormat::Pkcs8, "", None, Existing::Keep).unwrap();
        Self { root, clock, id: Hash::ZERO, event_ids: AtomicU64::new(1) }
    }

    /// The leaf hash of entry 0.
    pub(crate) const fn id(&self) -> Hash {
        self.id
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("ledger")
    }

    /// A path beside the ledger's directory.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir().join("log/00000000000000000000.batches")
    }

    pub(crate) fn open(&self) -> Ledger {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Ledger, OpeningError> {
        self.try_open_on(Arc::new(RealDisk), ClockTrust::Checked)
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make a disk for this one opening")]
    pub(crate) fn try_open_on(
        &self,
        disk: Arc<dyn Disk>,
        clock_trust: ClockTrust,
    ) -> Result<Ledger, OpeningError> {
        open_at(&self.dir(), &disk, Arc::clone(&self.clock) as Arc<dyn Clock>, clock_trust)
    }

    /// A copy of the ledger's directory as it is now, to be put back.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&self.dir(), copy.path());
        Snapshot { copy }
    }

    /// Puts one part of a copy (or `.` for all of it) in the place of what is there.
    pub(crate) fn restore(&self, snapshot: &Snapshot, part: &str) {
        let place = |dir: &Path| if part == "." { dir.to_owned() } else { dir.join(part) };
        let (from, to) = (place(snapshot.path()), place(&self.dir()));
        remove(&to);
        if from.is_dir() {
            copy_dir(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn next_event_id(&self) -> EventId {
        let number = u128::from(self.event_ids.fetch_add(1, Ordering::SeqCst));
        EventId::from_bytes(number.to_be_bytes())
    }

    // Events.

    /// An event by `proposer`, claimed now, with an id of its own.
    pub(crate) fn event(&self, proposer: Who, body: impl Into<Body>) -> Event {
        let claimed_at = self.clock.now();
        let header = Header {
            format: FORMAT_VERSION,
            ledger_id: self.id,
            event_id: self.next_event_id(),
            proposer: proposer.secret().public_key(),
            claimed_at,
            expires_at: claimed_at.plus_ms(EXPIRY_DEFAULT_MS),
            basis: Basis::Declared,
            attachments: Ascending::default(),
        };
        Event { header, body: body.into() }
    }

    /// Entry 0 under the newest rules and a policy of schema 1, signed.
    pub(crate) fn founding(&self) -> Envelope {
        self.founding_under(Policy { schema: 1, text: PolicyText::new(POLICY).unwrap() }, RULES_VERSION)
    }

    fn founding_under(&self, policy: Policy, rules_version: u32) -> Envelope {
        let created = LedgerCreated {
            origin: name(ORIGIN),
            nonce: [7; 32],
            administrators: Ascending::new(vec![Who::Admin.named()]).unwrap(),
            policy,
            rules_version,
            log_key: Who::LogKey.secret().public_key(),
        };
        sign(&self.event(Who::Admin, created), &[Who::Admin])
    }

    pub(crate) fn grant(&self, who: Who, role: Role) -> Envelope {
        self.grant_on(who, role, "*")
    }

    /// As [`Self::grant`], for models with one slash in their name as well.
    fn grant_everywhere(&self, who: Who, role: Role) -> Envelope {
        self.grant_on(who, role, "*/*")
    }

    fn grant_on(&self, who: Who, role: Role, models: &str) -> Envelope {
        let globs = |glob: &str| Ascending::new(vec![Glob::new(glob).unwrap()]).unwrap();
        let NamedKey { person, key } = who.named();
        let body = KeyGranted {
            person,
            key,
            roles: Ascending::new(vec![role]).unwrap(),
            scope: Scope { environments: globs("*"), models: globs(models) },
            valid_from: None,
            valid_until: None,
        };
        sign(&self.event(Who::Admin, body), &[Who::Admin])
    }

    pub(crate) fn registration(&self, version: &str) -> Event {
        let digest = ModelDigest {
            method: DigestMethod::OpenSsfFilesSha256,
            root: Hash::of_parts(&[version.as_bytes()]),
            named: Hash::of_parts(&[b"named", version.as_bytes()]),
            links_followed: false,
            ignored: Ascending::default(),
            file_count: 3,
            byte_count: 90_868_376,
        };
        let body = ModelRegistered {
            model: name(MODEL),
            version: name(version),
            digest,
            uri: None,
            source: None,
            datasets: Ascending::default(),
            dependency_lock: None,
        };
        self.event(Who::Registrar, body)
    }

    /// The registrar registers a version of [`MODEL`].
    pub(crate) fn register(&self, version: &str) -> Envelope {
        sign(&self.registration(version), &[Who::Registrar])
    }

    /// The deployer promotes a version of [`MODEL`] to [`STAGING`].
    pub(crate) fn promote(&self, version: &str, from: Option<Serving>) -> Envelope {
        let body = ModelPromoted {
            model: name(MODEL),
            version: name(version),
            digest: Hash::of_parts(&[version.as_bytes()]),
            environment: EnvironmentName::new(STAGING).unwrap(),
            from,
            policy_entry: 0,
            infra: InfraCommit {
                repository: name("https://git.example.com/infra"),
                commit: GitId::Sha1([5; 20]),
                tag: None,
                commit_object: None,
                tag_object: None,
                manifests: Ascending::default(),
                path_proof: None,
            },
            strategy: None,
            evidence: Ascending::default(),
            ticket: None,
            reason: None,
        };
        sign(&self.event(Who::Deployer, body), &[Who::Deployer])
    }

    /// The administrator replaces the log key.
    pub(crate) fn rotation(&self, old: Who, new: Who, cause: RotationCause) -> Envelope {
        let (old_key, new_key) = (old.secret().public_key(), new.secret().public_key());
        let body = LogKeyRotated { old_key, new_key, cause, reason: Text::new("each spring").unwrap() };
        sign(&self.event(Who::Admin, body), &[Who::Admin])
    }

    /// Puts the key that a rotation is to put in force where the ledger looks for it.
    pub(crate) fn store_next(&self, who: Who) {
        let file = self.beside("log.pem.next");
        write_private_key(&file, &who.secret(), KeyFormat::Pkcs8, "", None, Existing::Keep).unwrap();
    }

    /// Opens the ledger to rotate its log key.
    pub(crate) fn open_for_rotation(&self, fresh: Option<Who>) -> Result<Ledger, OpeningError> {
        let options = OpenOptions {
            lock_timeout: Duration::from_millis(100),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            clock_trust: ClockTrust::Checked,
            ask_passphrase: &mut || Ok(None),
        };
        Ledger::open_for_rotation(&self.dir(), options, fresh.map(Who::secret))
    }

    /// The registrar notes something on entry 0.
    pub(crate) fn note(&self, text: &str) -> Envelope {
        let body = NoteAdded { subject: NoteSubject::Entry { entry: 0 }, text: Text::new(text).unwrap() };
        sign(&self.event(Who::Registrar, body), &[Who::Registrar])
    }

    /// The registrar notes something on entry 0, and attaches `bytes`, which nobody has stored.
    pub(crate) fn note_with(&self, bytes: &[u8]) -> Envelope {
        let body =
            NoteAdded { subject: NoteSubject::Entry { entry: 0 }, text: Text::new("see there").unwrap() };
        let mut event = self.event(Who::Registrar, body);
        let attachment = Attachment {
            digest: Hash::of(bytes),
            size: bytes.len() as u64,
            private: false,
            media_type: name("text/plain"),
            name: name("report.txt"),
        };
        event.header.attachments = Ascending::new(vec![attachment]).unwrap();
        sign(&event, &[Who::Registrar])
    }

    /// The administrator redacts the attachment of these bytes.
    pub(crate) fn redact(&self, bytes: &[u8]) -> Envelope {
        let body = AttachmentRedacted { digest: Hash::of(bytes), reason: Text::new("asked for").unwrap() };
        sign(&self.event(Who::Admin, body), &[Who::Admin])
    }

    // What a stranger sees.

    /// Every published entry, the chain and the signed checkpoint over all of them checked.
    pub(crate) fn read_all(&self) -> Vec<LoggedEntry> {
        let reader = LogReader::open(&self.dir()).unwrap();
        let mut entries: Vec<LoggedEntry> = Vec::new();
        let collect = |entry| {
            entries.push(entry);
            Ok::<_, ReadError>(ControlFlow::Continue(()))
        };
        reader.for_each(0, collect).unwrap();
        let mut tree = Frontier::new();
        let mut previous = Hash::ZERO;
        for (index, logged) in (0..).zip(&entries) {
            assert_eq!((logged.entry.index, logged.entry.previous), (index, previous));
            tree.push(logged.leaf_hash);
            previous = logged.leaf_hash;
        }
        let note = open_checkpoint(reader.note(), &vkey()).unwrap();
        assert_eq!((note.checkpoint().size(), *note.checkpoint().root()), (tree.size(), tree.root()));
        entries
    }

    /// Checks a receipt against the log.
    pub(crate) fn check_receipt(&self, receipt: &Receipt) {
        let entries = self.read_all();
        let logged = &entries[usize::try_from(receipt.index).unwrap()];
        assert_eq!(receipt.leaf_hash, logged.leaf_hash);
        assert_eq!(receipt.event_id, logged.event.header.event_id);
        assert_eq!(receipt.recorded_at, logged.entry.recorded_at);
        let note = open_checkpoint(receipt.checkpoint.as_bytes(), &vkey()).unwrap();
        let mut tree = Frontier::new();
        let size = usize::try_from(note.checkpoint().size()).unwrap();
        entries[..size].iter().for_each(|entry| tree.push(entry.leaf_hash));
        assert!(receipt.index < tree.size());
        assert_eq!(*note.checkpoint().root(), tree.root());
    }
}

/// The log's vkey.
pub(crate) fn vkey() -> VerifierKey {
    VerifierKey::new_ed25519(ORIGIN, Who::LogKey.secret().public_key()).unwrap()
}

pub(crate) fn sign(event: &Event, signers: &[Who]) -> Envelope {
    let mut draft = Draft::new(event.to_bytes().unwrap()).unwrap();
    for who in signers {
        draft.sign(&Signer::from_secret(who.secret())).unwrap();
    }
    draft.into_envelope().unwrap()
}

/// Opens a ledger whose lock should be free.
pub(crate) fn open_at(
    dir: &Path,
    disk: &Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    clock_trust: ClockTrust,
) -> Result<Ledger, OpeningError> {
    let lock_timeout = Duration::from_millis(100);
    let options = OpenOptions { lock_timeout, clock, clock_trust, ask_passphrase: &mut || Ok(None) };
    Ledger::open_on(disk, dir, options)
}

/// All that decides about the next events, as text to compare: policy, keys, versions, slot.
pub(crate) fn facts(ledger: &Ledger, versions: &[&str]) -> String {
    let holders = [Who::Admin, Who::Registrar, Who::Deployer, Who::Stranger];
    let holders = holders.map(|who| ledger.holder(&who.secret().public_key()).unwrap());
    let versions: Vec<_> =
        versions.iter().map(|version| ledger.version(&name(MODEL), &name(version)).unwrap()).collect();
    let slot = ledger.slot(&name(MODEL), &EnvironmentName::new(STAGING).unwrap()).unwrap();
    format!("{} {:?} {holders:?} {versions:?} {slot:?}", ledger.size(), ledger.charter().unwrap())
}

/// A copy of a ledger's directory.
#[derive(Debug)]
pub(crate) struct Snapshot {
    copy: TempDir,
}

impl Snapshot {
    pub(crate) fn path(&self) -> &Path {
        self.copy.path()
    }
}

/// Every file below `dir` with its bytes, by path.
pub(crate) fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files.sort();
    files
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn remove(path: &Path) {
    if path.is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        std::fs::remove_file(path).unwrap();
    }
}
