//! Files that a command attaches to its event, and bytes that it makes for it: read, named in the header, kept beside
//! the log, and taken back where the event is refused.
//!
//! The bytes are durable before the event is appended. A crash between leaves bytes that no entry cites, which does
//! no harm; the other way round would leave an entry whose attachment was never there.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::OFlags;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::record::write_with_mode;
use crate::cli::rights::with_rights_of;
use crate::event::body::Event;
use crate::event::header::{ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, Attachment, Header, PRIVATE_PREFIX_BYTES};
use crate::event::list::Ascending;
use crate::event::text::Name;
use crate::hash::Hash;
use crate::ledger::receipt::{AppendError, Receipt};
use crate::store::attachments::{AttachmentCheck, AttachmentError, Attachments, digest_of};

/// What a file is said to be of which nothing else is known (RFC 2046, section 4.5.1).
const MEDIA_TYPE_DEFAULT: &str = "application/octet-stream";
/// Media types by the ends of file names: of reports, tables, pictures and statements.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("cbor", "application/cbor"),
    ("csv", "text/csv"),
    ("gz", "application/gzip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ipynb", "application/x-ipynb+json"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("parquet", "application/vnd.apache.parquet"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("toml", "application/toml"),
    ("txt", "text/plain"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

/// Options for files that belong to the event.
#[derive(Debug, Clone, Default, Args)]
pub struct AttachArgs {
    /// A file that belongs to the event, kept beside the log by its digest; repeats
    #[arg(long, value_name = "FILE", help_heading = "Recording")]
    pub attach: Vec<PathBuf>,
    /// Keep the attached files behind 32 random bytes each, so that one that is redacted later cannot
    /// be guessed from its digest: for personal data
    #[arg(long, requires = "attach", help_heading = "Recording")]
    pub private: bool,
    /// The attached files' media type; unless given, by the end of each name
    #[arg(long, value_name = "TYPE", requires = "attach", help_heading = "Recording")]
    pub media_type: Option<Name>,
}

/// A file that is to be attached, open.
#[derive(Debug)]
pub struct OpenFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// Device and inode, by which a file is known that is named twice.
    identity: (u64, u64),
}

impl OpenFile {
    /// Opens a plain file of at most `bytes_max` bytes. A symbolic link is none: what a name in a checked-out
    /// directory points to may be anything.
    ///
    /// # Errors
    /// It is something else, or larger, or cannot be read.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, Failure> {
        let unfit = |what: &str| Failure::usage(format!("--attach {}: {what}", path.display()));
        let found = path.symlink_metadata().map_err(|error| Failure::input(path, &error))?;
        if found.is_symlink() {
            return Err(unfit("it is a symbolic link").hint("name the file that it points to"));
        }
        if !found.is_file() {
            return Err(unfit("it is not a plain file").hint("pack a directory first, such as with tar"));
        }
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path);
        let file = file.map_err(|error| Failure::input(path, &error))?;
        let metadata = file.metadata().map_err(|error| Failure::input(path, &error))?;
        let bytes = metadata.len();
        if bytes > bytes_max {
            return Err(unfit(&format!("it has {bytes} bytes, and at most {bytes_max} can be attached"))
                .hint("attach a report, and keep large data elsewhere, named by its digest"));
        }
        Ok(Self { path: path.to_owned(), file, bytes, identity: (metadata.dev(), metadata.ino()) })
    }

    /// The digest of the bytes behind `prefix`, and how many they are together.
    fn digest(&mut self, prefix: &[u8]) -> Result<(Hash, u64), Failure> {
        let path = self.path.clone();
        let digested = digest_of(&mut self.bytes(prefix)?, &mut |_| Ok(()));
        let digested = digested.map_err(|error| self::failed(error, &path))?;
        Ok((digested.digest, digested.bytes))
    }

    /// All bytes once more, behind `prefix`.
    fn bytes<'a>(&'a mut self, prefix: &'a [u8]) -> Result<impl Read + 'a, Failure> {
        self.file.rewind().map_err(|error| Failure::input(&self.path, &error))?;
        Ok(prefix.chain(&mut self.file))
    }
}

/// Bytes that a command makes itself and attaches to its event. They are never private: who verifies has to read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The name in the event.
    pub name: Cow<'static, str>,
    /// The media type.
    pub media_type: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where the bytes of an attachment come from.
#[derive(Debug)]
enum Source {
    /// A file that was named on the command line.
    File(OpenFile),
    /// What the command made.
    Made(Made),
}

impl Source {
    /// What to call it.
    fn shown(&self) -> &Path {
        match self {
            Self::File(file) => &file.path,
            Self::Made(made) => Path::new(&*made.name),
        }
    }

    const fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes,
            Self::Made(made) => made.bytes.len() as u64,
        }
    }

    /// The digest of the bytes behind `prefix`, and how many they are together.
    fn digest(&mut self, prefix: &[u8]) -> Result<(Hash, u64), Failure> {
        match self {
            Self::File(file) => file.digest(prefix),
            Self::Made(made) => {
                Ok((Hash::of_parts(&[prefix, &made.bytes]), (prefix.len() + made.bytes.len()) as u64))
            }
        }
    }

    /// All bytes once more, behind `prefix`.
    fn bytes<'a>(&'a mut self, prefix: &'a [u8]) -> Result<Box<dyn Read + 'a>, Failure> {
        Ok(match self {
            Self::File(file) => Box::new(file.bytes(prefix)?),
            Self::Made(made) => Box::new(prefix.chain(made.bytes.as_slice())),
        })
    }
}

/// What went wrong with the bytes of a file that was named on the command line.
fn failed(error: AttachmentError, path: &Path) -> Failure {
    match error {
        AttachmentError::Source(error) => Failure::input(path, &error),
        AttachmentError::TooLong => Failure::usage(format!("--attach {}: {error}", path.display())),
        AttachmentError::Other { .. } => {
            Failure::usage(format!("{} changed while it was attached; nothing was recorded", path.display()))
                .hint("try again when nobody writes to it")
        }
        error @ AttachmentError::Io { .. } => error.into(),
    }
}

/// What a command attaches, the files open, before their bytes are read.
#[derive(Debug, Default)]
pub struct Files {
    files: Vec<Unread>,
}

/// One of them.
#[derive(Debug)]
struct Unread {
    source: Source,
    name: Name,
    media_type: Name,
    private: bool,
}

impl AttachArgs {
    /// Opens the files.
    ///
    /// # Errors
    /// There are too many, or one twice, or one cannot be attached.
    pub fn open(&self) -> Result<Files, Failure> {
        if self.attach.len() > ATTACHMENTS_MAX {
            let count = self.attach.len();
            let message = format!("{count} files are attached, and an event has at most {ATTACHMENTS_MAX}");
            return Err(Failure::usage(message).hint("pack them first, such as with tar, or leave some out"));
        }
        let media_type = self.media_type.as_ref().map(check_media_type).transpose()?;
        let prefix = if self.private { PRIVATE_PREFIX_BYTES as u64 } else { 0 };
        let mut files: Vec<Unread> = Vec::new();
        let mut seen: Vec<((u64, u64), &Path)> = Vec::new();
        for path in &self.attach {
            let file = OpenFile::open(path, ATTACHMENT_BYTES_MAX - prefix)?;
            if let Some((_, before)) = seen.iter().find(|(before, _)| *before == file.identity) {
                return Err(twice(before, path));
            }
            seen.push((file.identity, path));
            let name = file_name(path)?;
            let media_type = media_type.cloned().map_or_else(|| media_type_of(path), Ok)?;
            files.push(Unread { source: Source::File(file), name, media_type, private: self.private });
        }
        Ok(Files { files })
    }
}

fn twice(first: &Path, second: &Path) -> Failure {
    Failure::usage(format!("{} and {} are the same bytes", first.display(), second.display()))
        .hint("attach them once")
}

/// The last part of the path, as people will read it.
fn file_name(path: &Path) -> Result<Name, Failure> {
    let unfit = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("--attach {}: its name cannot stand in an entry: {why}", path.display()))
            .hint("copy it under another name")
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| unfit(&"it is not UTF-8"))?;
    Name::new(name).map_err(|error| unfit(&error))
}

fn media_type_of(path: &Path) -> Result<Name, Failure> {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    let known = MEDIA_TYPES.iter().find(|(known, _)| *known == end);
    Ok(Name::new(known.map_or(MEDIA_TYPE_DEFAULT, |(_, media_type)| media_type))?)
}

/// A type and a subtype (RFC 6838, section 4.2); parameters may follow.
fn check_media_type(text: &Name) -> Result<&Name, Failure> {
    let essence = text.as_str().split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
        part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(allowed)
    };
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(text),
        _ => Err(Failure::usage(format!("--media-type {text} is no media type"))
            .hint("say for example --media-type application/json")),
    }
}

/// What is attached, as the event's header names it; the bytes can be put in the store.
#[derive(Debug, Default)]
pub struct Attached(Vec<Sealed>);

/// Bytes, and what the header says of them.
#[derive(Debug)]
struct Sealed {
    source: Source,
    prefix: Vec<u8>,
    attachment: Attachment,
}

impl Files {
    /// With what the command itself made.
    ///
    /// # Errors
    /// A name or media type cannot stand in an entry, or there are too many bytes.
    pub fn with(mut self, made: Vec<Made>) -> Result<Self, Failure> {
        for made in made {
            if made.bytes.len() as u64 > ATTACHMENT_BYTES_MAX {
                let (name, bytes) = (made.name, made.bytes.len());
                return Err(Failure::usage(format!(
                    "the {name} has {bytes} bytes, and at most {ATTACHMENT_BYTES_MAX} can be attached"
                )));
            }
            let (name, media_type) = (Name::new(made.name.clone())?, Name::new(made.media_type)?);
            self.files.push(Unread { source: Source::Made(made), name, media_type, private: false });
        }
        Ok(self)
    }

    /// Reads the files, and says how the header names them. For a retry of the event `earlier`, a private file that
    /// it attached is named as it was then, if `store` still has it.
    ///
    /// # Errors
    /// A file cannot be read, or two hold the same bytes.
    pub fn seal(self, store: &Attachments, earlier: Option<&Event>) -> Result<Attached, Failure> {
        let mut attached: Vec<Sealed> = Vec::new();
        for Unread { mut source, name, media_type, private } in self.files {
            let prefix = match (private, earlier) {
                (false, _) => Vec::new(),
                (true, earlier) => {
                    let header = earlier.map(|earlier| &earlier.header);
                    let candidates = header.into_iter().flat_map(|header| header.attachments.iter());
                    let is_free = |then: &&Attachment| {
                        !attached.iter().any(|sealed| sealed.attachment.digest == then.digest)
                    };
                    let named_so =
                        candidates.filter(|then| then.name == name && then.private).filter(is_free);
                    match earlier_prefix(&mut source, named_so, store)? {
                        Some(prefix) => prefix,
                        None => new_prefix()?,
                    }
                }
            };
            let (digest, size) = source.digest(&prefix)?;
            let attachment = Attachment { digest, size, private, media_type, name };
            if let Some(same) = attached.iter().find(|same| same.attachment.digest == digest) {
                return Err(twice(same.source.shown(), source.shown()));
            }
            attached.push(Sealed { source, prefix, attachment });
        }
        Ok(Attached(attached))
    }
}

fn new_prefix() -> Result<Vec<u8>, Failure> {
    let mut prefix = vec![0; PRIVATE_PREFIX_BYTES];
    getrandom::fill(&mut prefix).map_err(Failure::world)?;
    Ok(prefix)
}

/// The prefix behind which the same bytes were kept before.
fn earlier_prefix<'a>(
    source: &mut Source,
    candidates: impl Iterator<Item = &'a Attachment>,
    store: &Attachments,
) -> Result<Option<Vec<u8>>, Failure> {
    let size = source.len() + PRIVATE_PREFIX_BYTES as u64;
    for then in candidates.filter(|then| then.size == size) {
        let Some(mut bytes) = store.read(&then.digest)? else { continue };
        bytes.truncate(PRIVATE_PREFIX_BYTES);
        if source.digest(&bytes)?.0 == then.digest {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

impl Attached {
    /// Names the files in `header`.
    ///
    /// # Errors
    /// There are too many.
    pub fn name_in(&self, header: &mut Header) -> Result<(), Failure> {
        let attachments = self.0.iter().map(|sealed| sealed.attachment.clone()).collect();
        header.attachments = Ascending::sort(attachments)?;
        Ok(())
    }

    /// Whether nothing is attached.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts all bytes in the store, durably.
    ///
    /// # Errors
    /// A file changed, or the disk fails; then nothing is in the store that was not before.
    pub fn store(&mut self, store: &Attachments) -> Result<Fresh, Failure> {
        let mut fresh = Fresh { store: Some(store.clone()), digests: Vec::new() };
        for sealed in &mut self.0 {
            if let Err(failure) = sealed.store(&mut fresh, store) {
                fresh.take_back();
                return Err(failure);
            }
        }
        Ok(fresh)
    }

    /// Stores the bytes of a draft in the ledger, if this user may write there. Where not, says what is to be handed
    /// to whoever submits it; private files are then written beside the draft, behind their random bytes.
    ///
    /// # Errors
    /// A file changed, or the disk fails.
    pub fn store_for_draft(&mut self, context: &Context, draft: &Path) -> Result<Fresh, Failure> {
        if self.0.is_empty() {
            return Ok(Fresh::default());
        }
        let dir = context.ledger_dir()?;
        let store = Attachments::of_ledger(dir);
        let stored = with_rights_of(context, dir, || self.store(&store));
        // A superuser's files would lock the ledger's owner out.
        let stored = stored.unwrap_or_else(|failure| Err(Failure { code: NOT_WRITABLE, ..failure }));
        match stored {
            Err(failure) if failure.code == NOT_WRITABLE => {
                context.say(format_args!("note: {}", failure.message));
                self.hand_over(context, draft)?;
                Ok(Fresh::default())
            }
            stored => stored,
        }
    }

    fn hand_over(&mut self, context: &Context, draft: &Path) -> Result<(), Failure> {
        for sealed in &mut self.0 {
            let path = sealed.path_to_hand_over(draft)?;
            context.say(format_args!(
                "note: {} is not in the ledger: hand over {}, for `rollbook draft submit --attach`",
                sealed.attachment.name,
                path.display()
            ));
        }
        Ok(())
    }
}

/// The mode of files that hold what is private.
pub const PRIVATE_MODE: u32 = 0o600;
/// The mode of what a command made, written beside a draft.
const MADE_MODE: u32 = 0o644;
/// The code of failing to write in a ledger that belongs to others.
pub const NOT_WRITABLE: &str = "not_writable";

impl Sealed {
    /// The file that holds the bytes as they are stored: the one that was named, where that is so; else one that is
    /// written beside the draft.
    fn path_to_hand_over(&mut self, draft: &Path) -> Result<PathBuf, Failure> {
        let mode = match (&self.source, self.attachment.private) {
            (Source::File(file), false) => return Ok(file.path.clone()),
            (_, true) => PRIVATE_MODE,
            (Source::Made(_), false) => MADE_MODE,
        };
        let mut name = draft.as_os_str().to_owned();
        name.push(format!(".{}", self.attachment.digest.short()));
        let path = PathBuf::from(name);
        let (mut bytes, from) = (Vec::new(), self.source.shown().to_owned());
        let read = self.source.bytes(&self.prefix)?.read_to_end(&mut bytes);
        read.map_err(|error| Failure::input(&from, &error))?;
        // Drafted again, what a command makes is the same.
        if !std::fs::read(&path).is_ok_and(|there| there == bytes) {
            write_with_mode(&path, &bytes, mode, false)?;
        }
        Ok(path)
    }

    fn store(&mut self, fresh: &mut Fresh, store: &Attachments) -> Result<(), Failure> {
        let (digest, path) = (self.attachment.digest, self.source.shown().to_owned());
        if matches!(store.verify(&digest)?, AttachmentCheck::Sound { .. }) {
            return Ok(store.sync(&digest)?);
        }
        let was_there = store.exists(&digest)?;
        let put = store.put_as(&digest, &mut self.source.bytes(&self.prefix)?);
        put.map_err(|error| failed(error, &path))?;
        if !was_there {
            fresh.digests.push(digest);
        }
        Ok(())
    }
}

/// What a command has put in the store that was not there before, and that no entry cites yet.
#[derive(Debug, Default)]
#[must_use = "what is refused is taken back"]
pub struct Fresh {
    store: Option<Attachments>,
    digests: Vec<Hash>,
}

impl Fresh {
    /// Takes the bytes out again, unless the event was recorded, or might have been.
    pub fn settle(self, outcome: &Result<Receipt, AppendError>) {
        match outcome {
            Ok(_) | Err(AppendError::OutcomeUnknown { .. }) => {}
            Err(_) => self.take_back(),
        }
    }

    /// Takes the bytes out again. What cannot be removed stays, and no entry cites it.
    pub fn take_back(self) {
        let Some(store) = self.store else { return };
        for digest in self.digests {
            let _ = store.remove(&digest);
        }
    }
}

/// The attachments of `header` that are not in the store as they are to be, each with what stands there.
///
/// # Errors
/// The store cannot be read.
pub fn not_sound<'a>(
    header: &'a Header,
    store: &Attachments,
) -> Result<Vec<(&'a Attachment, AttachmentCheck)>, Failure> {
    let mut unsound = Vec::new();
    for attachment in &*header.attachments {
        match store.verify(&attachment.digest)? {
            AttachmentCheck::Sound { bytes } if bytes == attachment.size => {}
            check => unsound.push((attachment, check)),
        }
    }
    Ok(unsound)
}

/// Finds the bytes of a draft's attachments: in the store, and among the files that are handed in with it. Each of
/// these must be one of them.
#[derive(Debug, Default)]
pub struct Supplied(Vec<(OpenFile, Hash)>);

impl Supplied {
    /// Holds `files` and the store against what the event cites.
    ///
    /// # Errors
    /// A file is none of the attachments; an attachment is nowhere.
    pub fn check(files: &[PathBuf], event: &Event, store: &Attachments) -> Result<Self, Failure> {
        let header = &event.header;
        let mut supplied = Vec::new();
        for path in files {
            let mut file = OpenFile::open(path, ATTACHMENT_BYTES_MAX)?;
            let (digest, _) = file.digest(&[])?;
            if !header.attachments.iter().any(|attachment| attachment.digest == digest) {
                return Err(Failure::usage(format!("--attach {}: it is no attachment of this draft", path.display()))
                    .hint("see `rollbook draft show`; of a private one, give the file that `--draft` wrote beside the draft"));
            }
            supplied.push((file, digest));
        }
        for (attachment, check) in not_sound(header, store)? {
            let is_supplied = supplied
                .iter()
                .any(|(file, digest)| *digest == attachment.digest && file.bytes == attachment.size);
            if !is_supplied {
                return Err(nowhere(attachment, check));
            }
        }
        Ok(Self(supplied))
    }

    /// Puts what was handed in into the store, and makes the rest durable.
    ///
    /// # Errors
    /// The disk fails, or a file changed; then nothing is in the store that was not before.
    pub fn store(self, event: &Event, store: &Attachments) -> Result<Fresh, Failure> {
        let mut fresh = Fresh { store: Some(store.clone()), digests: Vec::new() };
        let stored = self.put(event, store, &mut fresh);
        if let Err(failure) = stored {
            fresh.take_back();
            return Err(failure);
        }
        Ok(fresh)
    }

    fn put(self, event: &Event, store: &Attachments, fresh: &mut Fresh) -> Result<(), Failure> {
        for (file, digest) in self.0 {
            let attachments = &event.header.attachments;
            let Some(attachment) = attachments.iter().find(|attachment| attachment.digest == digest) else {
                continue;
            };
            let source = Source::File(file);
            Sealed { source, prefix: Vec::new(), attachment: attachment.clone() }.store(fresh, store)?;
        }
        for attachment in &*event.header.attachments {
            store.sync(&attachment.digest)?;
        }
        match not_sound(&event.header, store)?.first() {
            Some((attachment, check)) => Err(nowhere(attachment, *check)),
            None => Ok(()),
        }
    }
}

fn nowhere(attachment: &Attachment, check: AttachmentCheck) -> Failure {
    let Attachment { name, digest, size, .. } = attachment;
    let what = match check {
        AttachmentCheck::Missing => "it is not in the ledger's attachments/".to_owned(),
        AttachmentCheck::Differs { actual } => {
            format!("other bytes stand in its place, with the digest {actual}")
        }
        AttachmentCheck::Sound { bytes } => format!("it has {bytes} bytes, and the event says {size}"),
    };
    Failure::no(
        "attachment_missing",
        format!("the attachment {name} ({digest}): {what}; nothing was recorded"),
    )
    .hint("hand it in with --attach FILE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_known_by_the_names_end() {
        for (path, expected) in [
            ("a/report.json", "application/json"),
            ("REPORT.PDF", "application/pdf"),
            ("no-end", MEDIA_TYPE_DEFAULT),
            (".json", MEDIA_TYPE_DEFAULT),
            ("weights.bin", MEDIA_TYPE_DEFAULT),
            ("all.tar.gz", "application/gzip"),
        ] {
            assert_eq!(media_type_of(Path::new(path)).unwrap().as_str(), expected, "{path}");
        }
        let known: Vec<_> = MEDIA_TYPES.iter().map(|(end, _)| end).collect();
        assert!(known.is_sorted(), "so that nobody adds one twice");
        for (_, media_type) in MEDIA_TYPES {
            check_media_type(&Name::new(*media_type).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_media_type_has_a_type_and_a_subtype() {
        for fine in
            ["text/plain", "text/plain; charset=utf-8", "application/vnd.in-toto+json", "image/svg+xml"]
        {
            assert!(check_media_type(&Name::new(fine).unwrap()).is_ok(), "{fine}");
        }
        for wrong in ["json", "text/", "/plain", "text/pl ain", "a/b/c", "text plain", ";", "te xt/plain"] {
            assert!(check_media_type(&Name::new(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
