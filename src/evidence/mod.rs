//! What stands beside a release, checked by itself: Git objects and who signed them, and the signatures over models.
//!
//! Everything here is a pure function of bytes that are handed in. Which signers a policy asks for, and what it
//! makes of a verdict, is [`crate::lifecycle`]'s; reading a repository or a model's files, [`crate::linkage`]'s.
//!
//! | module | knows |
//! |---|---|
//! | [`git_object`] | a raw commit or tag: its id, what it points to, which of its bytes are signed |
//! | [`git_tree`] | a raw tree: its entries |
//! | [`git_path`] | the path proof: that files of a commit hold a model's digest |
//! | [`git_signature`] | whether an SSH signature is good, and by which key |
//! | [`openpgp`] | who an OpenPGP signature says made it, unchecked |
//! | [`allowed_signers`] | whom an `allowed_signers` text allows to sign, and when |
//! | [`infra`] | all of that, for the infra commit of one event |
//! | [`model_signature`] | an OpenSSF model signature: what it covers, and by which key |
//! | [`model_files`] | the list of a model's files |

pub mod allowed_signers;
pub mod git_object;
pub mod git_path;
pub mod git_signature;
pub mod git_tree;
pub mod infra;
pub mod model_files;
pub mod model_signature;
pub mod openpgp;
