//! Whose signatures of Git objects count: those by keys granted in the ledger, and those that the policy's
//! `allowed_signers` names.

use std::fmt;

use serde::Serialize;

use crate::event::text::Name;
use crate::evidence::allowed_signers::{Allowed, NotAllowed};
use crate::evidence::git_signature::SshKey;
use crate::lifecycle::authority::{Place, is_granted_at};
use crate::lifecycle::policy::ReleasePolicy;
use crate::lifecycle::state::{RowSource, State};
use crate::time::Timestamp;

/// Who signed a Git object, by which rule their signature counts, and at which time that was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GitSigner {
    /// The key's fingerprint, `SHA256:…`.
    pub key: String,
    /// Why it counts.
    pub by: AllowedBy,
    /// The time at which grants and validities were looked at: the entry's recorded time.
    pub judged_at: Timestamp,
}

/// By which rule a signature counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum AllowedBy {
    /// The key is granted in the ledger, for the model and environment at hand.
    Grant {
        /// To whom.
        person: Name,
    },
    /// The policy's `allowed_signers` names it.
    AllowedSigners {
        /// In which line, counted from 1.
        line: u32,
        /// As whom.
        principals: String,
    },
}

impl fmt::Display for GitSigner {
    /// `SHA256:… (ada, by a grant)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            AllowedBy::Grant { person } => write!(f, "{} ({person}, by a grant)", self.key),
            AllowedBy::AllowedSigners { line, principals } => {
                write!(f, "{} ({principals}, by line {line} of allowed_signers)", self.key)
            }
        }
    }
}

/// Judges the key of a good signature at the time `at`. A key that is granted for `place` counts, in whichever role;
/// else the policy's `allowed_signers` decides.
///
/// # Errors
/// The inner one says why the signature does not count; the outer one is the source's.
pub fn judge_git_signer<S: RowSource>(
    state: &mut State<S>,
    policy: &ReleasePolicy,
    key: &SshKey,
    place: Place<'_>,
    at: Timestamp,
) -> Result<Result<GitSigner, NotAllowed>, S::Error> {
    let counts = |by| GitSigner { key: key.fingerprint(), by, judged_at: at };
    if let Some(granted) = key.ed25519()
        && let Some(holder) = state.holder(&granted)?
    {
        // Whatever else names it: the ledger says that it signs nothing any more.
        if let Some(entry) = holder.revoked {
            return Ok(Err(NotAllowed::Revoked { entry }));
        }
        if is_granted_at(&holder, at, place) {
            return Ok(Ok(counts(AllowedBy::Grant { person: holder.person.clone() })));
        }
    }
    let Some(signers) = policy.git().allowed_signers() else { return Ok(Err(NotAllowed::Unknown)) };
    let allowed = signers.judge(key, at);
    Ok(allowed.map(|Allowed { line, principals }| counts(AllowedBy::AllowedSigners { line, principals })))
}
