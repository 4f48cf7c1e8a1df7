//! Rollbook: the signed, append-only audit ledger of model releases.
//!
//! The floors of the house, imports running down only (docs/architecture.md):
//! `cli` over `export` and `linkage`, over `ledger`, `verifier` and `timeline`, over `log` and
//! `lifecycle`, over `event`, `signing`, `merkle`, `note`, `store` and `index`, over `hash`,
//! `codec` and `time`.

pub mod codec;
pub mod hash;
pub mod signing;
pub mod time;
