//! Reading what a release is made of: Git commits with their tags, and the files of a model.
//!
//! This floor touches the disk and returns bytes and digests. What they *prove* (a tag's signature,
//! a manifest that pins a digest, a model's signature) is judged by `crate::evidence`, without I/O.

pub mod git;
pub mod model;
