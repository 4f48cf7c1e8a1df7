//! Signed notes, and what is written in them: checkpoints and cosignatures (C2SP signed-note,
//! tlog-checkpoint, tlog-cosignature).
//!
//! Signatures are Ed25519 and always checked strictly (`verify_strict`). Which keys are trusted,
//! whether a root is the right one and whether two checkpoints agree is decided by those who ask.

pub mod checkpoint;
pub mod cosignature;
pub mod signature_line;
pub mod signed_note;
pub mod vkey;
