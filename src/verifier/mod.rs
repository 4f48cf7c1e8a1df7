//! The auditor: walks a log from its bytes alone, trusts nobody, and reports everything it finds.
//!
//! It shares the format and the rules with the writer, and none of the writer's code: it opens
//! nothing in `index/`, and reaches neither `ledger` nor a network (docs/architecture.md). The
//! way of the data (docs/auditing.md):
//!
//! | module | does |
//! |---|---|
//! | [`verify`] | decides the order, and keeps two groups of batches in flight |
//! | `frames` | frames in order, and on behind damage |
//! | `decode` | a group of frames to entries, leaf hashes, checked signatures: on all cores |
//! | `replay` | chain, tree, times and rules, one entry after another |
//! | `compromise` | what compromised keys signed, and what rests on it: a second walk, where there is such a key |
//! | `log_keys` | which keys may have signed a checkpoint, and which must have |
//! | `attachments` | the bytes beside the log, held against the entries that cite them: on all cores |
//! | [`clones`] | commits that entries name, held against clones that the auditor has |
//! | `proofs` | path proofs and large Git objects among the attachments: on all cores |
//! | [`models`] | the files of models that an auditor has, and the signatures over them that are kept |
//! | `anchor` | the trust root, `head` and earlier checkpoints, held against what was read |
//! | [`kept`], `resumption` | what an auditor keeps, and checking only what came since |
//! | [`cosigned`] | the notes in `cosigned/` that witnesses cosigned: as good as earlier checkpoints |
//! | [`held`] | up to where somebody outside holds the log, and what is missing |
//! | [`finding`] | everything that can be found, with its code and class |
//! | [`report`] | the verdict, as JSON and as text |

mod anchor;
mod attachments;
pub mod clones;
mod compromise;
pub mod cosigned;
mod decode;
pub mod finding;
mod frames;
pub mod held;
pub mod kept;
pub mod log_keys;
pub mod models;
mod proofs;
pub mod replay;
pub mod report;
mod resumption;
pub mod verify;
