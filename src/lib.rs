//! Rollbook: the signed, append-only audit ledger of model releases.
//!
//! The floors of the house, imports running down only (docs/architecture.md; "decision" and a number:
//! docs/decisions/):
//! `cli` over `export`, `linkage` and `report`, over `ledger`, `verifier` and `timeline`, over `log` and `lifecycle`, over `event`,
//! `evidence`, `signing`, `merkle`, `note`, `store` and `index`, over `hash`, `codec`, `time` and `words`.

pub mod cli;
pub mod codec;
pub mod event;
pub mod evidence;
pub mod export;
pub mod hash;
pub mod index;
pub mod ledger;
pub mod lifecycle;
pub mod linkage;
pub mod log;
pub mod merkle;
pub mod note;
pub mod report;
pub mod signing;
pub mod store;
pub mod time;
pub mod timeline;
pub mod verifier;
pub mod words;
