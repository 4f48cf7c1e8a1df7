//! The log's private keys as they lie on the disk, and in a writer's hands.
//!
//! | file | holds |
//! |---|---|
//! | the one that `log_key` in `rollbook.toml` names | the key in force |
//! | the same with `.next` behind it | the key that a rotation is to put in force: it stands there before the rotation is drafted |
//! | the same with `.retired-<index>` behind it | the key that entry `<index>` replaced; nothing here removes it |
//!
//! A rotation is recorded first, and then the files take their names. A crash in between leaves the key in
//! force in `.next`: the next opening finishes it (docs/operating.md, "Rotating the log key").

use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use crate::event::authority::{LogKeyRotated, RotationCause};
use crate::event::body::Body;
use crate::ledger::config::Config;
use crate::ledger::opening::OpeningError;
use crate::ledger::receipt::AppendError;
use crate::signing::key_file::{
    AskPassphrase, Existing, KeyFileError, KeyFormat, Readers, SecretKey, copy_private_key,
    read_private_key_of, share_private_key, write_private_key,
};
use crate::signing::public_key::PublicKey;
use crate::store::disk::{Disk, parent_of};

/// Where a log's key files are, and who may read them.
#[derive(Debug, Clone)]
pub struct LogKeyFiles {
    path: PathBuf,
    readers: Readers,
}

impl LogKeyFiles {
    /// Those of the ledger in `dir`, by its settings.
    #[must_use]
    pub fn of(config: &Config, dir: &Path) -> Self {
        Self { path: config.log_key_path(dir), readers: config.log_key_readers }
    }

    /// The file of the key in force.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the key that a rotation is to put in force.
    #[must_use]
    pub fn next_path(&self) -> PathBuf {
        self.path.with_added_extension("next")
    }

    /// The file of the key that entry `index` replaced, where nothing stood in its way.
    #[must_use]
    pub fn retired_path(&self, index: u64) -> PathBuf {
        self.path.with_added_extension(format!("retired-{index}"))
    }

    /// A file for the key that entry `index` replaces: one that isn't there yet.
    fn free_retired_path(&self, index: u64) -> PathBuf {
        let first = self.retired_path(index);
        let others = (2..).map(|number| self.path.with_added_extension(format!("retired-{index}-{number}")));
        // A link to nowhere is there, too.
        std::iter::once(first)
            .chain(others)
            .find(|path| path.symlink_metadata().is_err())
            .expect("numbers go on")
    }

    /// The key in force.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read(&self, ask: &mut AskPassphrase<'_>) -> Result<SecretKey, KeyFileError> {
        read_private_key_of(&self.path, self.readers, ask)
    }

    /// Whether there is a file for the next key.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.next_path().symlink_metadata().is_ok()
    }

    /// The next key; none where there is no file for it.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn read_next(&self, ask: &mut AskPassphrase<'_>) -> Result<Option<SecretKey>, KeyFileError> {
        match read_private_key_of(&self.next_path(), self.readers, ask) {
            Err(KeyFileError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Writes the next key, durably; one that is there stays.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn write_next(&self, key: &SecretKey, passphrase: Option<&str>) -> Result<(), KeyFileError> {
        write_private_key(&self.next_path(), key, KeyFormat::Pkcs8, "", passphrase, Existing::Keep)?;
        share_private_key(&self.next_path(), self.readers)
    }

    /// Copies the next key from a file as it is, under its passphrase if it has one; one that is there stays.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn copy_next(&self, from: &Path) -> Result<(), KeyFileError> {
        copy_private_key(from, &self.next_path())?;
        share_private_key(&self.next_path(), self.readers)
    }

    /// After entry `index` put the next key in force: the file of the key before it makes room, if there is one.
    pub(super) fn promote_next(&self, disk: &dyn Disk, index: u64) -> io::Result<()> {
        if self.path.symlink_metadata().is_ok() {
            disk.rename(&self.path, &self.free_retired_path(index))?;
        }
        // A crash here leaves no file for the key in force but `.next`: the next opening goes on from here.
        disk.rename(&self.next_path(), &self.path)?;
        disk.sync_dir(parent_of(&self.path))
    }
}

/// What a ledger is opened for.
pub(super) enum Purpose {
    /// Any event but a rotation of its key.
    Events,
    /// A rotation of its key: the one in force need not be at hand.
    Rotation {
        /// The next key, where no file holds one yet.
        fresh: Option<Box<SecretKey>>,
    },
}

impl Purpose {
    pub(super) const fn is_rotation(&self) -> bool {
        matches!(self, Self::Rotation { .. })
    }
}

/// The keys of a ledger that is being opened, as far as they can be read.
pub(super) struct KeysAtHand<'o> {
    files: LogKeyFiles,
    ask: &'o mut AskPassphrase<'o>,
    /// What the settings name.
    configured: Option<SecretKey>,
    next: Option<SecretKey>,
    /// Whether the next key was looked for.
    next_was_read: bool,
    /// Why what the settings name could not be read.
    error: Option<KeyFileError>,
    /// Why the next key could not be read although it is there.
    next_error: Option<KeyFileError>,
}

impl<'o> KeysAtHand<'o> {
    /// Reads the key in force; the next one when it is first asked for.
    pub(super) fn read(files: LogKeyFiles, ask: &'o mut AskPassphrase<'o>) -> Self {
        let (configured, error) = match files.read(ask) {
            Ok(key) => (Some(key), None),
            Err(error) => (None, Some(error)),
        };
        Self { files, ask, configured, next: None, next_was_read: false, error, next_error: None }
    }

    pub(super) fn path(&self) -> &Path {
        self.files.path()
    }

    /// Whether the settings name a key that can be read, or one could be at hand all the same.
    pub(super) fn may_do(&self, purpose: &Purpose) -> bool {
        self.configured.is_some() || self.files.has_next() || purpose.is_rotation()
    }

    /// The key that the settings name, where it can be read.
    pub(super) fn configured(&self) -> Option<PublicKey> {
        self.configured.as_ref().map(SecretKey::public_key)
    }

    /// The next key, where there is one that can be read.
    pub(super) fn next(&mut self) -> Option<PublicKey> {
        if !std::mem::replace(&mut self.next_was_read, true) {
            match self.files.read_next(self.ask) {
                Ok(next) => self.next = next,
                Err(error) => self.next_error = Some(error),
            }
        }
        self.next.as_ref().map(SecretKey::public_key)
    }

    /// Why a key is not at hand, where reading it failed.
    pub(super) fn take_error(&mut self) -> Option<KeyFileError> {
        self.error.take().or_else(|| self.next_error.take())
    }

    /// The keys for a writer, where `in_force` is the log's key, put in force by entry `entry`; and whether it still
    /// lies in the file of the next one.
    ///
    /// # Errors
    /// [`OpeningError::LogKey`] and [`OpeningError::LogKeyReplaced`].
    pub(super) fn into_signing(
        mut self,
        in_force: PublicKey,
        entry: u64,
        purpose: Purpose,
    ) -> Result<(SigningKeys, bool), OpeningError> {
        let is_configured = self.configured() == Some(in_force);
        let is_next = (!is_configured || purpose.is_rotation()) && self.next() == Some(in_force);
        let Self { files, configured, next, error, next_error, .. } = self;
        if let Some(error) = next_error.filter(|_| purpose.is_rotation()) {
            return Err(error.into());
        }
        let (current, next) = match (configured, next) {
            (Some(key), _) if is_configured && is_next => (Ok(key), None),
            (Some(key), next) if is_configured => (Ok(key), next),
            (_, Some(next)) if is_next => (Ok(next), None),
            (configured, next) if purpose.is_rotation() => {
                (Err(not_in_force(&files, configured, error)), next)
            }
            (Some(_), _) => {
                return Err(OpeningError::LogKeyReplaced { path: files.path, entry, key: in_force });
            }
            (None, _) => {
                let replaced = || OpeningError::LogKeyReplaced { path: files.path, entry, key: in_force };
                return Err(error.map_or_else(replaced, Into::into));
            }
        };
        let stored = next.map(|key| NextKey { key, is_stored: true });
        let fresh = match purpose {
            Purpose::Rotation { fresh } => fresh.map(|key| NextKey { key: *key, is_stored: false }),
            Purpose::Events => None,
        };
        Ok((SigningKeys { files, current, next: stored.or(fresh) }, is_next && !is_configured))
    }
}

/// Why the key in force is not at hand.
fn not_in_force(files: &LogKeyFiles, configured: Option<SecretKey>, error: Option<KeyFileError>) -> String {
    match (configured, error) {
        (None, Some(error)) => error.to_string(),
        (configured, _) => {
            let held = configured
                .map_or_else(|| "no key".to_owned(), |key| format!("another, {}", key.public_key()));
            format!("{} holds {held}", files.path.display())
        }
    }
}

/// The log's private keys in a writer's hands.
pub(super) struct SigningKeys {
    pub(super) files: LogKeyFiles,
    /// The key in force, or why it is not at hand.
    current: Result<SecretKey, String>,
    next: Option<NextKey>,
}

/// The key that a rotation is to put in force.
struct NextKey {
    key: SecretKey,
    /// Whether it lies in its file: without it, nobody could go on after the rotation.
    is_stored: bool,
}

impl SigningKeys {
    pub(super) fn next(&self) -> Option<PublicKey> {
        self.next.as_ref().map(|next| next.key.public_key())
    }

    /// Writes the next key's file, where it has none yet.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(super) fn store_next(&mut self, passphrase: Option<&str>) -> Result<(), KeyFileError> {
        let Some(next) = self.next.as_mut().filter(|next| !next.is_stored) else { return Ok(()) };
        self.files.write_next(&next.key, passphrase)?;
        next.is_stored = true;
        Ok(())
    }

    /// Copies the next key's file from where the key was read, where it has none yet.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub(super) fn store_next_from(&mut self, file: &Path) -> Result<(), KeyFileError> {
        let Some(next) = self.next.as_mut().filter(|next| !next.is_stored) else { return Ok(()) };
        self.files.copy_next(file)?;
        next.is_stored = true;
        Ok(())
    }

    /// Whether the keys that must sign the batch of an event are at hand; on trial, the next one need not be stored.
    ///
    /// # Errors
    /// [`AppendError::LogKeyMissing`] and [`AppendError::NextLogKeyMissing`].
    pub(super) fn check(&self, body: &Body, is_trial: bool) -> Result<(), AppendError> {
        let rotation = match body {
            Body::LogKeyRotated(rotation) => Some(&**rotation),
            _ => None,
        };
        if let Some(LogKeyRotated { new_key, .. }) = rotation {
            let is_at_hand =
                |next: &NextKey| next.key.public_key() == *new_key && (next.is_stored || is_trial);
            if !self.next.as_ref().is_some_and(is_at_hand) {
                let (path, wanted, found) = (self.files.next_path(), *new_key, self.next());
                return Err(AppendError::NextLogKeyMissing { path, wanted, found });
            }
        }
        match &self.current {
            Err(reason) if needs_old(rotation) => Err(AppendError::LogKeyMissing { reason: reason.clone() }),
            _ => Ok(()),
        }
    }

    /// The keys that sign a batch, in order. [`Self::check`] found them at hand.
    pub(super) fn signers(&self, rotation: Option<&LogKeyRotated>) -> Vec<&SigningKey> {
        let current = self.current.as_ref().ok().filter(|_| needs_old(rotation));
        let next = self.next.as_ref().map(|next| &next.key).filter(|_| rotation.is_some());
        current.into_iter().chain(next).map(SecretKey::as_signing_key).collect()
    }

    /// The next key is in force.
    pub(super) fn rotate(&mut self) {
        if let Some(next) = self.next.take() {
            self.current = Ok(next.key);
        }
    }
}

/// Whether the key that is in force before a batch signs the batch's checkpoint.
fn needs_old(rotation: Option<&LogKeyRotated>) -> bool {
    rotation.is_none_or(|rotation| rotation.cause == RotationCause::Routine)
}
