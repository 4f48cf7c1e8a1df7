//! Who may read and write what a command makes in a ledger: the ledger's directory says (docs/decisions/23).
//!
//! Its permission bits take the place of the umask while a command writes, so that people with different umasks
//! leave files that the others can go on with; sled's own files too. The group comes from the directory by its
//! setgid bit. Nothing is made more open than the directory; private keys are 0600 however open it is.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::Mode;
use rustix::process::{getegid, geteuid, umask};

use crate::cli::context::Context;
use crate::cli::failure::Failure;

const GROUP_WRITES: u32 = 0o020;
const SETGID: u32 = 0o2000;

/// Makes what this process writes from here on take its rights from the ledger's directory. One that isn't there
/// yet is made by the umask, and so agrees with it.
///
/// # Errors
/// The superuser would leave files that the ledger's owner cannot write.
pub fn follow_directory(context: &Context, dir: &Path) -> Result<(), Failure> {
    let Ok(metadata) = dir.metadata() else { return Ok(()) };
    let (writer, group) = (geteuid(), getegid().as_raw());
    if writer.is_root() && metadata.uid() != 0 && !is_shared(&metadata) {
        return Err(owned_by_another(dir, metadata.uid()));
    }
    let is_half_shared = metadata.mode() & (GROUP_WRITES | SETGID) == GROUP_WRITES;
    if is_half_shared && metadata.gid() != group {
        context.say(format_args!(
            "note: group {} may write in {}, but new files will belong to group {group}: run `chmod g+s` on its directories",
            metadata.gid(),
            dir.display(),
        ));
    }
    umask(mask_of(metadata.mode()));
    Ok(())
}

/// Does `work` with the rights of [`follow_directory`], and then goes on with those from before.
///
/// # Errors
/// As there; `work` is not done then.
pub fn with_rights_of<T>(context: &Context, dir: &Path, work: impl FnOnce() -> T) -> Result<T, Failure> {
    let before = umask(Mode::empty());
    umask(before);
    follow_directory(context, dir)?;
    let done = work();
    umask(before);
    Ok(done)
}

/// Whether whatever is made in the directory can be written by its whole group.
fn is_shared(metadata: &Metadata) -> bool {
    metadata.mode() & (GROUP_WRITES | SETGID) == GROUP_WRITES | SETGID
}

/// What the directory withholds from its group and from others is withheld from new files. What it withholds
/// from its owner is not: the writer must go on.
fn mask_of(directory_mode: u32) -> Mode {
    let rights = [
        (0o040, Mode::RGRP),
        (0o020, Mode::WGRP),
        (0o010, Mode::XGRP),
        (0o004, Mode::ROTH),
        (0o002, Mode::WOTH),
        (0o001, Mode::XOTH),
    ];
    rights.into_iter().filter(|(bit, _)| directory_mode & bit == 0).map(|(_, right)| right).collect()
}

fn owned_by_another(dir: &Path, owner: u32) -> Failure {
    let dir = dir.display();
    Failure::world(format!(
        "{dir} belongs to user {owner}: files that root makes there would lock its owner out; nothing was written"
    ))
    .hint(format!("run it as its owner: `sudo -u '#{owner}' rollbook …`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_withholds_what_the_directory_does() {
        for (directory, mask) in [
            (0o700, 0o077),
            (0o750, 0o027),
            (0o755, 0o022),
            (0o2770, 0o007),
            (0o2775, 0o002),
            (0o777, 0),
            (0o500, 0o077),
        ] {
            assert_eq!(mask_of(directory), Mode::from_raw_mode(mask), "{directory:o}");
        }
    }
}
