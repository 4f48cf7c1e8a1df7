//! Verifying a log from its bytes: the order of things, and nothing that is checked itself.
//!
//! 1. `cosigned/`, then `head` were read first: what lies beyond it is not published. (Where somebody holds a
//!    checkpoint beyond it, that much was published all the same.)
//! 2. Groups of frames are read, one at a time; while the entries of one are decoded and their
//!    signatures checked on all cores, those of the group before are replayed in order.
//! 3. Trust root, `head` and earlier checkpoints are held against what was read; then, in a directory, the
//!    attachments' bytes; and the files of models, where an auditor has them.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::evidence::model_signature::PublicKeyPem;
use crate::hash::Hash;
use crate::lifecycle::state::State;
use crate::log::trust_root::TrustRoot;
use crate::merkle::tree::Frontier;
use crate::note::checkpoint::{CheckpointNote, OpenError, Origin};
use crate::note::vkey::VerifierKey;
use crate::signing::public_key::PublicKey;
use crate::store::attachments::{AttachmentError, Attachments};
use crate::store::batch_log::{BatchSource, Position, StoreError};
use crate::store::cosigned::CosignedError;
use crate::store::files::FileSource;
use crate::store::frame::Frame;
use crate::store::head::{Head, HeadError, HeadState, read_head};

use super::anchor::{
    Anchor, Published, ReadLog, Source, anchors, check_founding, check_head, check_latest_log_key,
    published_beyond,
};
use super::attachments;
use super::clones::{CloneError, CloneSource, Clones};
use super::compromise::find_compromised;
use super::cosigned::{CosignedFile, read_cosigned};
use super::decode::{DecodedBatch, Expected, KeyCache, SignatureChecks, decode_founding, decode_group};
use super::finding::{Ended, Finding, Findings};
use super::frames::{Frames, Step};
use super::held::{MaxAge, weigh};
use super::kept::{EarlierIds, Head as KeptHead, KeptState};
use super::log_keys::{Candidates, KeyHistory};
use super::models::{self, Checked, ModelSource, ModelSourceError};
use super::proofs;
use super::replay::{Replay, Replayed, Watcher};
use super::report::{Anchored, AttachmentCounts, CloneReport, KeptUse, Report, UnseenRepository, Verdict};

/// A group is read until it holds this many entries or bytes: enough for every core to have some
/// thousand signatures, and little memory, of which two groups take their share.
const GROUP_ENTRIES: u64 = 4096;
const GROUP_BYTES: usize = 8 << 20;
/// How often a ledger is verified that publishes entries meanwhile, where an attachment is missing.
const PASSES_MAX: usize = 3;

/// What a verification is asked to hold against the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// What the auditor pins.
    pub trust: Option<&'a TrustRoot>,
    /// Checkpoints that the auditor kept from before.
    pub checkpoints: &'a [EarlierCheckpoint],
    /// Whether each author's signature is checked by the strict rule as well (four times as slow).
    pub strict: bool,
    /// How many threads check; none: as many as there are cores.
    pub threads: Option<usize>,
    /// Whether the bytes beside the log are left alone: [`verify`] never looks at them.
    pub skip_attachments: bool,
    /// Whether of the bytes beside the log only those are read that prove something: of a commit, or of a model's files.
    pub proofs_only: bool,
    /// What an earlier verification under the same trust root came to: only what came since is checked.
    pub kept: Option<&'a KeptState>,
    /// Whether to give what the next verification can go on from, where this one finds the log sound and rooted.
    pub keep: bool,
    /// What stands in `cosigned/`; [`verify_dir`] reads it from the directory.
    pub cosigned: &'a [CosignedFile],
    /// Clones of the repositories that entries name commits of.
    pub clones: Option<&'a dyn CloneSource>,
    /// How many entries need not be held yet, by a checkpoint that was kept or a quorum of witnesses.
    pub max_unheld: Option<u64>,
    /// How old may be what is held.
    pub max_age: Option<MaxAge>,
    /// Where the files of models are.
    pub models: Option<&'a dyn ModelSource>,
    /// The keys whose signatures over models count.
    pub model_keys: &'a [PublicKeyPem],
    /// Who is shown every entry as it is replayed. Where it goes on from what was kept, only those that came since.
    pub watch: Option<&'a dyn Watcher>,
}

/// What a verification came to.
#[derive(Debug)]
pub struct Judged {
    /// The verdict and all it rests on.
    pub report: Report,
    /// The release state that the entries came to: what serves where, by the rules, for whoever decides by it. It means
    /// nothing where the report says that the log was tampered with, or cannot be read to its end.
    pub state: State<EarlierIds>,
    /// What the next verification can go on from; none where nobody asked, or the log isn't sound and rooted.
    pub kept: Option<KeptState>,
    /// Whether an entry that was read speaks of what was kept of those before, and that does not say enough.
    pub(super) looks_back: bool,
}

/// Called now and then, with entries done and entries in all (0 where that isn't known).
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// A checkpoint note that somebody kept, and what to call it.
#[derive(Debug, Clone)]
pub struct EarlierCheckpoint {
    name: String,
    // Read, and not yet verified.
    note: CheckpointNote,
}

impl EarlierCheckpoint {
    /// Reads a note; its signature is verified against the log's key.
    ///
    /// # Errors
    /// [`EarlierCheckpointError`] where the bytes are no checkpoint note.
    pub fn parse(name: impl Into<String>, bytes: &[u8]) -> Result<Self, EarlierCheckpointError> {
        let name = name.into();
        match CheckpointNote::parse_unverified(bytes) {
            Ok(note) => Ok(Self { name, note }),
            Err(error) => Err(EarlierCheckpointError { name, error }),
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The checkpoint of what was kept.
    pub(super) fn of_kept(kept: &KeptState) -> Self {
        Self { name: "the kept state".to_owned(), note: kept.checkpoint.clone() }
    }

    /// What it is called, such as its file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The note, unverified.
    #[must_use]
    pub const fn note(&self) -> &CheckpointNote {
        &self.note
    }
}

/// Why a file is no checkpoint that could be held against a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is no checkpoint: {error}")]
pub struct EarlierCheckpointError {
    name: String,
    error: OpenError,
}

/// Why there is no report: the world failed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The directory holds no ledger.
    #[error("{path} is not a ledger directory: it holds no directory `log`", path = path.display())]
    NotALedger {
        /// The directory.
        path: PathBuf,
    },
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `head` could not be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// An attachment could not be read.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// A clone could not be read.
    #[error(transparent)]
    Clone(#[from] CloneError),
    /// `cosigned/` could not be listed.
    #[error(transparent)]
    Cosigned(#[from] CosignedError),
    /// A model's files could not be read.
    #[error("the files of a model: {0}")]
    Models(#[from] ModelSourceError),
    /// No threads could be started.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// Verifies the ledger in the directory `dir`: its `head`, then its log, then its attachments.
///
/// # Errors
/// [`VerifyError`]; whatever is wrong with the ledger is in the report.
pub fn verify_dir(dir: &Path, options: &Options<'_>, progress: &Progress<'_>) -> Result<Report, VerifyError> {
    Ok(judge_dir(dir, options, progress)?.report)
}

/// As [`verify_dir`], with what else it came to.
///
/// # Errors
/// As [`verify_dir`].
pub fn judge_dir(dir: &Path, options: &Options<'_>, progress: &Progress<'_>) -> Result<Judged, VerifyError> {
    let log_dir = dir.join("log");
    // A directory that may not be looked into is not one where nothing stands.
    let may_be_there = log_dir
        .metadata()
        .map_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied, |found| found.is_dir());
    if !may_be_there {
        return Err(VerifyError::NotALedger { path: dir.to_owned() });
    }
    let attachments = Some(dir).filter(|_| !options.skip_attachments);
    let cosigned = read_cosigned(dir)?;
    let options = &Options { cosigned: &cosigned, ..*options };
    let mut published = read_published(dir)?;
    for _ in 1..PASSES_MAX {
        let size = published.until();
        let source = FileSource::new(&log_dir);
        let judged = verify_published(&source, published, attachments, options, progress)?;
        published = read_published(dir)?;
        // A ledger that goes on meanwhile removes bytes by entries that were not read.
        if !judged.report.finding_counts.contains_key("attachment.missing") || published.until() == size {
            return Ok(judged);
        }
    }
    verify_published(&FileSource::new(&log_dir), published, attachments, options, progress)
}

fn read_published(dir: &Path) -> Result<Published, VerifyError> {
    match read_head(dir) {
        Ok(state) => Ok(Published::Head(state)),
        Err(HeadError::Version(version)) => Ok(Published::Newer(version)),
        Err(error) => Err(error.into()),
    }
}

/// Verifies a log. `head` was read before `source` was opened.
///
/// # Errors
/// [`VerifyError`]; whatever is wrong with the log is in the report.
pub fn verify(
    source: &dyn BatchSource,
    head: HeadState,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Report, VerifyError> {
    Ok(judge(source, head, options, progress)?.report)
}

/// As [`verify`], with what else it came to.
///
/// # Errors
/// As [`verify`].
pub fn judge(
    source: &dyn BatchSource,
    head: HeadState,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Judged, VerifyError> {
    verify_published(source, Published::Head(head), None, options, progress)
}

/// A log that does not stand in a ledger's directory.
pub struct Elsewhere<'a> {
    /// Its frames.
    pub source: &'a dyn BatchSource,
    /// What was published; none where nobody says, and so all there is counts.
    pub head: Option<HeadState>,
    /// The directory in which its `attachments/` stand, if they are to be looked at.
    pub attachments: Option<&'a Path>,
    /// What was found wrong around it.
    pub findings: Vec<Finding>,
}

/// As [`judge`], for a log that stands elsewhere, with what was found wrong around it.
///
/// # Errors
/// [`VerifyError`]; whatever is wrong with the log is in the report.
pub fn verify_elsewhere(
    log: Elsewhere<'_>,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Judged, VerifyError> {
    let Elsewhere { source, head, attachments, findings: around } = log;
    let published = head.map_or(Published::Unsaid, Published::Head);
    let log = Verification::of(source, published, attachments, options, progress);
    run(&Verification { around, ..log })
}

fn verify_published(
    source: &dyn BatchSource,
    published: Published,
    attachments: Option<&Path>,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<Judged, VerifyError> {
    run(&Verification::of(source, published, attachments, options, progress))
}

/// Runs a verification from the log's start, or from what was kept.
fn run(whole: &Verification<'_>) -> Result<Judged, VerifyError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(whole.options.threads.unwrap_or(0))
        .build()
        .map_err(|error| VerifyError::Threads(io::Error::other(error)))?;
    pool.install(|| match whole.options.kept {
        None => whole.run(),
        Some(kept) => whole.go_on_from(kept),
    })
}

/// A verification that is to be run.
#[derive(Clone)]
pub(super) struct Verification<'a> {
    pub(super) source: &'a dyn BatchSource,
    pub(super) published: Published,
    /// The ledger's directory, where its attachments are looked at.
    pub(super) attachments: Option<&'a Path>,
    /// What was found wrong around the log.
    pub(super) around: Vec<Finding>,
    pub(super) options: &'a Options<'a>,
    pub(super) progress: &'a Progress<'a>,
    /// What it goes on from.
    pub(super) kept: Option<&'a KeptState>,
    /// The checkpoint of what was kept: held against the log, whether it goes on from there or from its start.
    pub(super) earlier: Option<EarlierCheckpoint>,
}

impl<'a> Verification<'a> {
    /// From the log's start, with nothing found wrong around it.
    fn of(
        source: &'a dyn BatchSource,
        published: Published,
        attachments: Option<&'a Path>,
        options: &'a Options<'a>,
        progress: &'a Progress<'a>,
    ) -> Self {
        let (around, kept, earlier) = (Vec::new(), None, None);
        Self { source, published, attachments, around, options, progress, kept, earlier }
    }
}

/// What entry 0 says.
struct Founding {
    ledger_id: Hash,
    created: Option<(String, PublicKey)>,
}

impl Founding {
    /// What was read of it before, and fitted the trust root.
    fn of(kept: &KeptState) -> Self {
        let KeptHead { origin, ledger_id, log_key, .. } = &kept.head;
        Self { ledger_id: *ledger_id, created: Some((origin.clone(), *log_key)) }
    }
}

/// Frames that are decoded together, and what was found between and behind them.
#[derive(Default)]
struct Group {
    frames: Vec<Frame>,
    /// What comes after the frames: damage ends a group.
    after: Vec<Step>,
    entries: u64,
    bytes: usize,
}

impl Verification<'_> {
    pub(super) fn run(&self) -> Result<Judged, VerifyError> {
        let mut findings = Findings::default();
        findings.extend(self.around.iter().cloned());
        let anchors = anchors(self.options, self.earlier.as_ref(), &mut findings);
        let until = self.until(&anchors);
        let start = self.kept.map_or(Position::START, KeptState::position);
        let mut frames = Frames::from(self.source, start, until)?;
        let mut group = next_group(&mut frames)?;
        let founding = match self.kept {
            Some(kept) => Some(Founding::of(kept)),
            None => group.as_ref().and_then(founding),
        };
        let expected = self.expected(founding.as_ref());

        self.check_founding(founding.as_ref(), &expected, &mut findings);
        let mut candidates = Candidates::new(&expected);
        let mut replay = self.replay(anchors, &expected, &mut candidates, findings)?;

        let keys = KeyCache::default();
        let checks = SignatureChecks { keys: &keys, strict: self.options.strict };
        let mut decoded: Option<(Vec<DecodedBatch>, Vec<Step>)> = None;
        let mut has_gap = false;
        let mut clones = Clones::new(self.options.clones);
        while group.is_some() || decoded.is_some() {
            let (next, ()) = rayon::join(
                || {
                    let group = group.take()?;
                    Some((decode_group(&group.frames, &expected, &mut candidates, checks), group.after))
                },
                || {
                    if let Some((batches, after)) = decoded.take() {
                        for batch in batches {
                            replay.take(batch);
                        }
                        has_gap |= take_steps(after, &mut replay);
                    }
                },
            );
            self.look_at_git(&mut replay, &mut clones, false)?;
            decoded = next;
            (self.progress)(frames.next_index(), if until == u64::MAX { 0 } else { until });
            if decoded.is_some() {
                group = next_group(&mut frames)?;
            }
        }
        let size = frames.next_index();
        let goes_on = self.goes_on(&frames)?;
        self.look_at_git(&mut replay, &mut clones, true)?;
        let mut replayed = replay.finish();
        let mut doubtful: BTreeSet<u64> =
            self.kept.into_iter().flat_map(|kept| kept.head.doubtful.iter().copied()).collect();
        let Replayed { compromised, state, findings, .. } = &mut replayed;
        find_compromised(self.source, (start, until), compromised, state, &mut doubtful, findings)?;
        let attachments = self.check_attachments(size, &mut replayed)?;
        let (position, ends_unread) = (frames.position(), frames.ended_at_damage());
        let clones = clones.report();
        let models = self.check_models(&mut replayed)?;
        let end =
            End { size, position, has_gap, ends_unread, goes_on, attachments, clones, models, doubtful };
        Ok(self.judged(replayed, &expected, founding.as_ref(), &end))
    }

    /// The replay, from the beginning or from what was kept.
    fn replay(
        &self,
        mut anchors: Vec<Anchor>,
        expected: &Expected,
        candidates: &mut Candidates,
        findings: Findings,
    ) -> Result<Replay<'_>, VerifyError> {
        let head_size = self.published.head().map(Head::size);
        let first_key = expected.log_key.as_ref();
        let Some(kept) = self.kept else {
            let replay = self.equipped(Replay::new(anchors, KeyHistory::new(first_key), head_size, findings));
            let registers = self.attachments.is_some() || self.options.keep;
            return Ok(if registers { replay.with_attachments() } else { replay });
        };
        self.reach_below(kept, &mut anchors)?;
        let rotations = &kept.head.rotations;
        for (_, key, _) in rotations {
            candidates.know(*key);
        }
        let log_keys = KeyHistory::restore(first_key, rotations);
        Ok(self.equipped(Replay::resume(kept, anchors, log_keys, head_size, findings)))
    }

    /// What every replay is given, wherever it begins.
    fn equipped<'r>(&'r self, replay: Replay<'r>) -> Replay<'r> {
        let replay = replay.with_git(self.options.clones.is_some(), self.attachments.is_some());
        replay.with_models(models::Register::of(self.options.models)).with_watch(self.options.watch)
    }

    /// Holds what the entries that were replayed say of commits against clones, and against attachments that prove
    /// something of them.
    fn look_at_git(
        &self,
        replay: &mut Replay<'_>,
        clones: &mut Clones<'_>,
        at_the_end: bool,
    ) -> Result<(), VerifyError> {
        let recorded = replay.take_commits();
        replay.extend(clones.look_at(&recorded)?);
        if let Some(dir) = self.attachments {
            let claims = replay.take_claims(at_the_end);
            replay.extend(proofs::check(&Attachments::of_ledger(dir), &claims)?);
        }
        Ok(())
    }

    /// Holds the bytes in `attachments/` against what lawful entries cite and redact.
    fn check_attachments(
        &self,
        size: u64,
        replayed: &mut Replayed,
    ) -> Result<Option<AttachmentCounts>, VerifyError> {
        let looked_at = self.attachments.filter(|_| !self.options.proofs_only);
        let (Some(dir), Some(register)) = (looked_at, &replayed.attachments) else { return Ok(None) };
        let judged_to_the_end = replayed.rules_judged_up_to == size;
        attachments::check(dir, register, judged_to_the_end, &mut replayed.findings).map(Some)
    }

    /// Holds the files of models, and the signatures over them, against what lawful entries register.
    fn check_models(&self, replayed: &mut Replayed) -> Result<Checked, VerifyError> {
        let (source, keys) = (self.options.models, self.options.model_keys);
        let check = models::Check { ledger: self.attachments, source, keys };
        check.run(&replayed.models, &mut replayed.findings)
    }

    /// What is published, and what earlier checkpoints prove to have been.
    fn until(&self, anchors: &[Anchor]) -> u64 {
        let kept = anchors.iter().map(Anchor::size).max().unwrap_or(0);
        self.published.until().max(kept)
    }

    /// Origin and log key that checkpoints must have: the pinned ones, else those of entry 0.
    fn expected(&self, founding: Option<&Founding>) -> Expected {
        if let Some(trust) = self.options.trust {
            return Expected { origin: Some(trust.origin().clone()), log_key: Some(trust.log_key().clone()) };
        }
        let created = founding.and_then(|founding| founding.created.as_ref());
        let origin = created.and_then(|(origin, _)| Origin::new(origin.clone()).ok());
        let log_key = created.and_then(|(origin, key)| VerifierKey::new_ed25519(origin, *key).ok());
        Expected { origin, log_key }
    }

    fn check_founding(&self, founding: Option<&Founding>, expected: &Expected, findings: &mut Findings) {
        if let (Some(trust), Some(founding)) = (self.options.trust, founding) {
            check_founding(trust, founding.ledger_id, founding.created.as_ref(), findings);
        }
        if expected.log_key.is_none() && founding.is_some() {
            findings.add(Finding::LogKeyUnknown {});
        }
    }

    /// Whether the log has more than `head` publishes. Asked only where it matters: beside a slot
    /// that is bad.
    fn goes_on(&self, frames: &Frames<'_>) -> Result<bool, VerifyError> {
        match &self.published {
            Published::Head(HeadState::Published { head, other_slot_bad: true }) => {
                Ok(frames.next_index() > head.size() || frames.goes_on()?)
            }
            _ => Ok(false),
        }
    }

    fn judged(
        &self,
        mut replayed: Replayed,
        expected: &Expected,
        founding: Option<&Founding>,
        end: &End,
    ) -> Judged {
        let looks_back = self.looks_back(&replayed);
        self.check_outside(&mut replayed, expected, end);
        let Ended { findings, counts: finding_counts, violation_beyond } =
            std::mem::take(&mut replayed.findings).end();
        let anchored = self.anchored(&replayed);
        let holding = weigh(self.options, &replayed.anchors, anchored, end.size);
        let trust = self.options.trust;
        let rooted =
            founding.zip(trust).is_some_and(|(founding, trust)| founding.ledger_id == trust.ledger_id());
        let reports = |source| {
            let anchors = replayed.anchors.iter().filter(move |anchor| anchor.source() == source);
            anchors.map(|anchor| anchor.report.clone()).collect()
        };
        let report = Report {
            verdict: Verdict::of(&findings, violation_beyond, holding.shortfalls.is_empty()),
            anchored,
            kept: self.kept.map(KeptUse::of),
            rooted,
            quorum: trust.and_then(|trust| trust.witnesses().quorum().cloned()),
            held: holding.held,
            unheld: holding.unheld,
            age: holding.age,
            not_anchored: holding.shortfalls,
            origin: expected.origin.as_ref().map(ToString::to_string),
            ledger_id: founding.map(|founding| founding.ledger_id),
            log_key: expected.log_key.as_ref().map(ToString::to_string),
            log_key_rotations: replayed.log_keys.report(),
            size: end.size,
            root: replayed.tree.as_ref().map(Frontier::root),
            checkpoint: replayed.newest_note.as_ref().map(|note| String::from_utf8_lossy(note).into_owned()),
            last_recorded_at: replayed.recorded_at,
            entries: replayed.counts.entries,
            batches: replayed.counts.batches,
            signatures: replayed.counts.signatures,
            strict: self.options.strict,
            rules_judged_up_to: replayed.rules_judged_up_to,
            attachments: end.attachments,
            clones: end.clones.0.clone(),
            repositories_without_clone: end.clones.1.clone(),
            model_signatures: end.models.signatures,
            models: end.models.models,
            checkpoints: reports(Source::Given),
            cosigned: reports(Source::Cosigned),
            findings,
            violation_beyond,
            finding_counts,
        };
        let kept = self.keep(&replayed, &report, expected, end);
        Judged { report, state: replayed.state, kept, looks_back }
    }

    /// Holds `head`, earlier checkpoints and the trust root against what was read.
    fn check_outside(&self, replayed: &mut Replayed, expected: &Expected, end: &End) {
        let log = ReadLog {
            size: end.size,
            has_gap: end.has_gap,
            ends_unread: end.ends_unread,
            note_at_head: replayed.note_at_head.as_deref(),
            goes_on: end.goes_on,
            log_keys: &replayed.log_keys,
        };
        check_head(&self.published, &log, &mut replayed.findings);
        let origin = expected.origin.as_ref().map(Origin::as_str);
        for anchor in &mut replayed.anchors {
            anchor.settle(origin, &log, &mut replayed.findings);
        }
        if let Some(published) = published_beyond(&self.published, &replayed.anchors, &log) {
            replayed.findings.add_missing(log.size, published);
        }
        if let Some(trust) = self.options.trust {
            check_latest_log_key(trust, &log, &mut replayed.findings);
        }
        if end.size == 0 && !end.has_gap {
            replayed.findings.add(Finding::LogEmpty {});
        }
    }

    fn anchored(&self, replayed: &Replayed) -> Anchored {
        let covered = replayed.anchors.iter().filter_map(Anchor::covers).max();
        self.options.trust.map_or(Anchored::No, |trust| {
            let ledger_id = trust.ledger_id();
            match replayed.log_keys.unrooted(covered, trust.latest_log_key()) {
                None => Anchored::TrustRoot { ledger_id },
                Some((entry, log_key)) => Anchored::UpTo { ledger_id, entry, log_key },
            }
        })
    }
}

/// How a walk over the log ended.
pub(super) struct End {
    pub(super) size: u64,
    /// Where the next frame belongs.
    pub(super) position: Position,
    has_gap: bool,
    /// Whether the last gap reaches to the end.
    ends_unread: bool,
    /// Whether the log has more than `head` publishes, where that is asked.
    goes_on: bool,
    attachments: Option<AttachmentCounts>,
    clones: (Vec<CloneReport>, Vec<UnseenRepository>),
    models: Checked,
    /// Entries that compromised keys signed.
    pub(super) doubtful: BTreeSet<u64>,
}

/// The next group of frames; none at the log's end.
fn next_group(frames: &mut Frames<'_>) -> Result<Option<Group>, StoreError> {
    let mut group = Group::default();
    while group.after.is_empty() && group.entries < GROUP_ENTRIES && group.bytes < GROUP_BYTES {
        match frames.next()? {
            None => break,
            Some(Step::Frame(frame)) => {
                group.entries += u64::from(frame.view().count());
                group.bytes += frame.view().bytes().len();
                group.frames.push(frame);
            }
            Some(step) => group.after.push(step),
        }
    }
    let is_empty = group.frames.is_empty() && group.after.is_empty();
    Ok((!is_empty).then_some(group))
}

/// Replays what comes behind a group's frames. Says whether entries are unread.
fn take_steps(after: Vec<Step>, replay: &mut Replay<'_>) -> bool {
    let mut has_gap = false;
    for step in after {
        match step {
            Step::Found(finding) => replay.add(finding),
            Step::Gap { from, until, cause } => {
                replay.gap(from, until, cause);
                has_gap = true;
            }
            Step::Frame(_) => unreachable!("frames stand before what comes behind them"),
        }
    }
    has_gap
}

/// What entry 0 says, where the group begins with it.
fn founding(group: &Group) -> Option<Founding> {
    let first = group.frames.first().map(Frame::view).filter(|frame| frame.first_index() == 0)?;
    let (ledger_id, created) = decode_founding(first.entries().next()?);
    Some(Founding { ledger_id, created })
}
