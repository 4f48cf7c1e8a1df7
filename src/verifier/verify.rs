//! Verifying a log from its bytes: the order of things, and nothing that is checked itself.
//!
//! 1. `cosigned/`, then `head` were read first: what lies beyond it is not published. (Where somebody holds a
//!    checkpoint beyond it, that much was published all the same.)
//! 2. Groups of frames are read, one at a time; while the entries of one are decoded and their
//!    signatures checked on all cores, those of the group before are replayed in order.
//! 3. Trust root, `head` and earlier checkpoints are held against what was read; then, in a directory, the
//!    attachments' bytes.

use std::io;
use std::path::{Path, PathBuf};

use crate::hash::Hash;
use crate::lifecycle::state::{NoSource, State};
use crate::log::trust_root::TrustRoot;
use crate::note::checkpoint::{CheckpointNote, OpenError, Origin};
use crate::note::vkey::VerifierKey;
use crate::signing::public_key::PublicKey;
use crate::store::attachments::AttachmentError;
use crate::store::batch_log::{BatchSource, StoreError};
use crate::store::cosigned::CosignedError;
use crate::store::files::FileSource;
use crate::store::frame::Frame;
use crate::store::head::{Head, HeadError, HeadState, read_head};

use super::anchor::{
    Anchor, Published, ReadLog, Source, anchors, check_founding, check_head, check_latest_log_key,
};
use super::attachments;
use super::compromise::find_compromised;
use super::cosigned::{CosignedFile, read_cosigned};
use super::decode::{DecodedBatch, Expected, KeyCache, SignatureChecks, decode_founding, decode_group};
use super::finding::{Ended, Finding, Findings};
use super::frames::{Frames, Step};
use super::held::{MaxAge, weigh};
use super::log_keys::{Candidates, KeyHistory};
use super::replay::{Replay, Replayed};
use super::report::{Anchored, AttachmentCounts, Report, Verdict};

/// A group is read until it holds this many entries or bytes: enough for every core to have some
/// thousand signatures, and little memory, of which two groups take their share.
const GROUP_ENTRIES: u64 = 8_192;
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
    /// What stands in `cosigned/`; [`verify_dir`] reads it from the directory.
    pub cosigned: &'a [CosignedFile],
    /// How many entries need not be held yet, by a checkpoint that was kept or a quorum of witnesses.
    pub max_unheld: Option<u64>,
    /// How old may be what is held.
    pub max_age: Option<MaxAge>,
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
    /// `cosigned/` could not be listed.
    #[error(transparent)]
    Cosigned(#[from] CosignedError),
    /// No threads could be started.
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// Verifies the ledger in the directory `dir`: its `head`, then its log, then its attachments.
///
/// # Errors
/// [`VerifyError`]; whatever is wrong with the ledger is in the report.
pub fn verify_dir(dir: &Path, options: &Options<'_>, progress: &Progress<'_>) -> Result<Report, VerifyError> {
    Ok(judge_dir(dir, options, progress)?.0)
}

/// As [`verify_dir`], with the release state that the entries came to: what serves where, by the rules, for whoever
/// decides by it. It means nothing where the report says that the log was tampered with, or cannot be read to its end.
///
/// # Errors
/// As [`verify_dir`].
pub fn judge_dir(
    dir: &Path,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<(Report, State<NoSource>), VerifyError> {
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
        let (report, state) = verify_published(&source, published, attachments, options, progress)?;
        published = read_published(dir)?;
        // A ledger that goes on meanwhile removes bytes by entries that were not read.
        if !report.finding_counts.contains_key("attachment.missing") || published.until() == size {
            return Ok((report, state));
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
    Ok(verify_published(source, Published::Head(head), None, options, progress)?.0)
}

fn verify_published(
    source: &dyn BatchSource,
    published: Published,
    attachments: Option<&Path>,
    options: &Options<'_>,
    progress: &Progress<'_>,
) -> Result<(Report, State<NoSource>), VerifyError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .build()
        .map_err(|error| VerifyError::Threads(io::Error::other(error)))?;
    pool.install(|| Verification { source, published, attachments, options, progress }.run())
}

/// A verification that is to be run.
struct Verification<'a> {
    source: &'a dyn BatchSource,
    published: Published,
    /// The ledger's directory, where its attachments are looked at.
    attachments: Option<&'a Path>,
    options: &'a Options<'a>,
    progress: &'a Progress<'a>,
}

/// What entry 0 says.
struct Founding {
    ledger_id: Hash,
    created: Option<(String, PublicKey)>,
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
    fn run(&self) -> Result<(Report, State<NoSource>), VerifyError> {
        let mut findings = Findings::default();
        let anchors = anchors(self.options, &mut findings);
        let until = self.until(&anchors);
        let mut frames = Frames::new(self.source, until)?;
        let mut group = next_group(&mut frames)?;
        let founding = group.as_ref().and_then(founding);
        let expected = self.expected(founding.as_ref());

        self.check_founding(founding.as_ref(), &expected, &mut findings);
        let log_keys = KeyHistory::new(expected.log_key.as_ref());
        let head_size = self.published.head().map(Head::size);
        let mut replay = Replay::new(anchors, log_keys, head_size, findings);
        if self.attachments.is_some() {
            replay = replay.with_attachments();
        }

        let keys = KeyCache::default();
        let checks = SignatureChecks { keys: &keys, strict: self.options.strict };
        let mut candidates = Candidates::new(&expected);
        let mut decoded: Option<(Vec<DecodedBatch>, Vec<Step>)> = None;
        let mut has_gap = false;
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
            decoded = next;
            (self.progress)(frames.next_index(), if until == u64::MAX { 0 } else { until });
            if decoded.is_some() {
                group = next_group(&mut frames)?;
            }
        }
        let size = frames.next_index();
        let goes_on = self.goes_on(&frames)?;
        let mut replayed = replay.finish();
        let Replayed { compromised, state, findings, .. } = &mut replayed;
        find_compromised(self.source, until, compromised, state, findings)?;
        let attachments = self.check_attachments(size, &mut replayed)?;
        let end = End { size, has_gap, goes_on, attachments };
        Ok(self.report(replayed, &expected, founding.as_ref(), end))
    }

    /// Holds the bytes in `attachments/` against what lawful entries cite and redact.
    fn check_attachments(
        &self,
        size: u64,
        replayed: &mut Replayed,
    ) -> Result<Option<AttachmentCounts>, VerifyError> {
        let (Some(dir), Some(register)) = (self.attachments, replayed.attachments.take()) else {
            return Ok(None);
        };
        let judged_to_the_end = replayed.rules_judged_up_to == size;
        attachments::check(dir, &register, judged_to_the_end, &mut replayed.findings).map(Some)
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

    fn report(
        &self,
        mut replayed: Replayed,
        expected: &Expected,
        founding: Option<&Founding>,
        end: End,
    ) -> (Report, State<NoSource>) {
        let End { size, has_gap, goes_on, attachments } = end;
        let log = ReadLog {
            size,
            has_gap,
            note_at_head: replayed.note_at_head.as_deref(),
            goes_on,
            log_keys: &replayed.log_keys,
        };
        check_head(&self.published, &log, &mut replayed.findings);
        let origin = expected.origin.as_ref().map(Origin::as_str);
        for anchor in &mut replayed.anchors {
            anchor.settle(origin, &log, &mut replayed.findings);
        }
        if let Some(trust) = self.options.trust {
            check_latest_log_key(trust, &log, &mut replayed.findings);
        }
        if size == 0 && !has_gap {
            replayed.findings.add(Finding::LogEmpty {});
        }
        let Ended { findings, counts: finding_counts, violation_beyond } = replayed.findings.end();
        let covered = replayed.anchors.iter().filter_map(Anchor::covers).max();
        let anchored = self.options.trust.map_or(Anchored::No, |trust| {
            let ledger_id = trust.ledger_id();
            match replayed.log_keys.unrooted(covered, trust.latest_log_key()) {
                None => Anchored::TrustRoot { ledger_id },
                Some((entry, log_key)) => Anchored::UpTo { ledger_id, entry, log_key },
            }
        });
        let holding = weigh(self.options, &replayed.anchors, anchored, size);
        let rooted = founding
            .zip(self.options.trust)
            .is_some_and(|(founding, trust)| founding.ledger_id == trust.ledger_id());
        let (given, cosigned) =
            replayed.anchors.into_iter().partition::<Vec<_>, _>(|anchor| anchor.source() == Source::Given);
        let reports = |anchors: Vec<Anchor>| anchors.into_iter().map(|anchor| anchor.report).collect();
        let report = Report {
            verdict: Verdict::of(&findings, violation_beyond, holding.shortfalls.is_empty()),
            anchored,
            rooted,
            quorum: self.options.trust.and_then(|trust| trust.witnesses().quorum().cloned()),
            held: holding.held,
            unheld: holding.unheld,
            age: holding.age,
            not_anchored: holding.shortfalls,
            origin: expected.origin.as_ref().map(ToString::to_string),
            ledger_id: founding.map(|founding| founding.ledger_id),
            log_key: expected.log_key.as_ref().map(ToString::to_string),
            log_key_rotations: replayed.log_keys.report(),
            size,
            root: replayed.root,
            checkpoint: replayed.newest_note.map(|note| String::from_utf8_lossy(&note).into_owned()),
            last_recorded_at: replayed.recorded_at,
            entries: replayed.counts.entries,
            batches: replayed.counts.batches,
            signatures: replayed.counts.signatures,
            strict: self.options.strict,
            rules_judged_up_to: replayed.rules_judged_up_to,
            attachments,
            checkpoints: reports(given),
            cosigned: reports(cosigned),
            findings,
            violation_beyond,
            finding_counts,
        };
        (report, replayed.state)
    }
}

/// How a walk over the log ended.
#[derive(Clone, Copy)]
struct End {
    size: u64,
    has_gap: bool,
    /// Whether the log has more than `head` publishes, where that is asked.
    goes_on: bool,
    attachments: Option<AttachmentCounts>,
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
fn take_steps(after: Vec<Step>, replay: &mut Replay) -> bool {
    let mut has_gap = false;
    for step in after {
        match step {
            Step::Found(finding) => replay.add(finding),
            Step::Gap { from, until, is_damage } => {
                replay.gap();
                if is_damage {
                    replay.add(Finding::LogUnread { index: from, until });
                }
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
