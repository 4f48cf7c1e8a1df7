//! Reading what a release is made of and what other systems say of it: Git commits with their tags, the files
//! of a model, evaluations, alerts, registries and deployments.
//!
//! `git` and `model` touch the disk and return bytes and digests; the others read bytes
//! that are handed in. What they *prove* (a tag's signature, a manifest that pins a digest, a model's
//! signature) is judged by `crate::evidence`, without I/O.

pub mod alertmanager;
pub mod argocd;
pub mod evaluation;
pub mod git;
pub mod github;
pub mod json;
pub mod mlflow;
pub mod model;
pub mod payload;
pub mod rollout;
pub mod webhook;
